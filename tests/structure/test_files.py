"""Which files a list of paths means."""

import pytest

from plait.errors import InputError
from plait.structure.files import stem, structure_files


@pytest.fixture
def folder(tmp_path):
    for name in ("b.pdb", "a.CIF.gz", "deep/c.bcif", "notes.txt", ".hidden.pdb", "deep/d.ent.gz", "e.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    return tmp_path


def test_a_folder_is_searched_at_any_depth_and_sorted(folder):
    found = [file.relative_to(folder).as_posix() for file in structure_files([folder])]
    assert found == ["a.CIF.gz", "b.pdb", "deep/c.bcif", "deep/d.ent.gz"]


def test_files_stand_as_they_are_given_and_once(folder):
    given = [folder / "notes.txt", folder / "b.pdb", folder / "absent.pdb", folder / "b.pdb"]
    assert structure_files(given) == given[:3]


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no structure file in the folder"):
        structure_files([tmp_path])
    with pytest.raises(InputError, match="no structure file given"):
        structure_files([])


@pytest.mark.parametrize("name, bare", [("1ubi.pdb", "1ubi"), ("a/b.CIF.GZ", "b"), ("x.y.ent", "x.y"), ("z", "z")])
def test_stem(name, bare):
    assert stem(name) == bare
