"""What every registered data set promises (architecture, rule 2)."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from plait import registry
from plait.errors import InputError

DATASETS = registry.parts("dataset")
SPLITS = ("train", "valid", "test")
pytestmark = pytest.mark.parametrize("name", DATASETS)


@pytest.fixture
def opened(name, shared):
    """A function: the set of a split, from the shared data or another folder."""
    cls = DATASETS[name]
    default = cls.Config()
    folders = {
        field: shared / value.removeprefix("../shared/")
        for field, value in dataclasses.asdict(default).items()
        if str(value).startswith("../shared/")
    }
    place = folders.pop("folder", shared / default.folder)
    if not all(one.is_dir() for one in (place, *folders.values())):
        pytest.skip(f"no data of {name} at {place}")
    folders["folder"] = place

    def make(split="valid", **options):
        places = {field: str(value) for field, value in folders.items()}
        return cls(dataclasses.replace(default, **{**places, "split": split, **options}))

    make.folders = folders
    return make


def test_splits_share_no_cluster(name, opened):
    clusters = {split: set(opened(split).clusters.tolist()) for split in SPLITS}
    for first in SPLITS:
        assert clusters[first]
        for second in SPLITS:
            if first != second:
                assert not clusters[first] & clusters[second]


def test_random_access_gives_the_same_example(name, opened):
    forwards, backwards = opened(), opened()
    indices = np.random.default_rng(0).integers(0, len(forwards), 8)
    examples = {int(i): forwards[int(i)] for i in indices}
    for i in sorted(examples, reverse=True):
        again = backwards[i]
        assert again.id == examples[i].id
        assert np.array_equal(again.protein.position, examples[i].protein.position, equal_nan=True)
        assert len(again.protein) == forwards.lengths[i]
        for label, value in again.labels.items():
            assert np.array_equal(value, examples[i].labels[label], equal_nan=True), label
        assert again.protein_labels.keys() == examples[i].protein_labels.keys()
        for label, value in again.protein_labels.items():
            assert np.array_equal(value, examples[i].protein_labels[label]), label


def test_digest_tells_contents_apart(name, opened):
    assert opened().digest == opened().digest
    assert opened("valid").digest != opened("test").digest


def test_a_broken_file_is_named(name, opened, tmp_path):
    def cut(source, copy):
        if source.endswith(".npz"):
            Path(copy).write_bytes(Path(source).read_bytes()[:1000])
        else:
            shutil.copyfile(source, copy)

    folders = {field: str(tmp_path / field) for field in opened.folders}
    for field, folder in opened.folders.items():
        shutil.copytree(folder, folders[field], copy_function=cut)
    broken = opened(**folders)
    with pytest.raises(InputError, match=r"\.npz"):
        broken[0]
