"""What span masks hide stays hidden in our form; what leaks in the published form leaks in ours with `compat`.

The leaks are those of the specification, section 6: frames of hidden residues, rows of a language model, the centre,
torsions of residues that are seen.
"""

import dataclasses

import numpy as np
import pytest
import torch

from plait.data.base import Example
from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder
from plait.errors import InputError
from plait.objectives.showing import batch_of
from plait.objectives.smpc import Smpc, SmpcConfig
from plait.objectives.torsions import torsions
from plait.structure import read_structure

TINY = {"layers": 1, "width": 16, "feed_forward": 16, "heads": 4, "edge_width": 8, "kernels": 8}


@pytest.fixture(scope="module")
def ubiquitin(structures):
    return Example("1ubi", read_structure(structures / "1ubi.pdb"))


@pytest.fixture(scope="module")
def antibody(structures):
    return Example("2d7t", read_structure(structures / "2d7t.pdb.gz"))


def view_of(examples, seed=0, **options):
    return Smpc(SmpcConfig(**options)).view(examples, np.random.default_rng(seed))


def changed_where_hidden(example, hidden, kept=("CA",), far=5.0):
    """Another type, and every atom but those kept elsewhere."""
    protein = example.protein
    inside = hidden[protein.residue_of] & ~np.isin(protein.atom_name, kept)
    moved = np.array(protein.position)
    moved[inside] += np.random.default_rng(9).normal(0, far, (int(inside.sum()), 3))
    types = np.where(hidden, (protein.residue_type + 3) % 20, protein.residue_type).astype(np.int8)
    return dataclasses.replace(example, protein=protein.replace(position=moved, residue_type=types))


def tensors_of(batch):
    for field in dataclasses.fields(batch):
        value = getattr(batch, field.name)
        if torch.is_tensor(value):
            yield field.name, value
        elif dataclasses.is_dataclass(value):
            for name, inner in tensors_of(value):
                yield f"{field.name}.{name}", inner


def differing(example, still=("CA",), far=5.0, **options):
    """Names of the encoder's inputs that change with what is hidden."""
    encoder = VabsnetEncoder(VabsnetConfig(**TINY, compat=options.get("compat", False)))
    options = {"accessibility": 0.0, **options}  # slow, and no input
    before = view_of([example], **options)
    after = view_of([changed_where_hidden(example, before.masked[0], still, far)], **options)
    assert np.array_equal(before.masked[0], after.masked[0])
    pairs = zip(*(tensors_of(batch_of(encoder, view)) for view in (before, after)), strict=True)
    return {name for (name, one), (_, other) in pairs if not torch.equal(one.nan_to_num(), other.nan_to_num())}


@pytest.mark.parametrize(
    ("options", "kept"),
    [({}, ("CA",)), ({"masking": "single"}, ("CA",)), ({"kept": "backbone"}, ("N", "CA", "C", "O"))],
)
def test_hidden_atoms_change_no_input(antibody, options, kept):
    assert differing(antibody, still=kept, **options) == set()


def test_open_frames_leak_directions_and_nothing_else(antibody):
    assert differing(antibody, frames="open") == {"atom.vectors", "residue.vectors"}


def test_published_frames_leak_the_same(ubiquitin):
    """Moved so little that no atoms clash, which the published clean-up would drop."""
    assert differing(ubiquitin, compat=True, far=0.02) == {"atom.vectors", "residue.vectors"}


def test_no_torsion_that_is_asked_can_be_read_off(antibody):
    view = view_of([antibody])
    readable = np.isfinite(torsions(view.proteins[0]))
    asked = view.weights["torsion"] > 0
    assert asked.sum() > 200
    assert not (readable & asked).any()
    assert (readable & (view.weights["torsion_visible"] > 0)).sum() > 500


def test_published_torsions_of_seen_residues_can_be_read_off(ubiquitin):
    """Most of what the published loss asks is a formula of visible atoms."""
    view = view_of([ubiquitin], compat=True)
    angles = torsions(view.proteins[0], published=True)
    asked = view.weights["torsion"] > 0
    read = asked & np.isfinite(angles)
    assert read.sum() > 0.5 * asked.sum()
    assert np.allclose(np.sin(angles[read]), view.targets["torsion"][read][:, 0], atol=1e-4)
    assert not read[view.masked[0]].any()


def test_the_centre_is_that_of_what_is_seen(ubiquitin):
    view = view_of([ubiquitin])
    batch = batch_of(VabsnetEncoder(VabsnetConfig(**TINY)), view)
    centre = view.proteins[0].c_alpha.astype(np.float64).mean(0)
    assert np.allclose(batch.position[batch.global_rows[0]], centre, atol=1e-6)
    assert not np.allclose(centre, ubiquitin.protein.c_alpha.mean(0), atol=1e-3)


def test_the_published_centre_tells_the_mean_of_the_noise(ubiquitin):
    view = view_of([ubiquitin], compat=True)
    batch = batch_of(VabsnetEncoder(VabsnetConfig(**TINY, compat=True)), view)
    assert (batch.position[batch.global_rows[0]] == 0).all()
    clean, seen = view.targets["atom_position"][:, 1], view.proteins[0].c_alpha
    assert np.allclose(clean.mean(0), 0, atol=1e-5)
    assert np.abs(seen.mean(0)).max() > 1e-3


def test_areas_are_asked_of_hidden_residues_alone(antibody):
    view = view_of([antibody])
    assert not (view.weights["accessibility"] > 0)[~view.masked[0]].any()
    published = view_of([antibody], compat=True).targets["atom_accessibility"]
    assert (published[~view.masked[0]] > 0).any()


def with_language(example):
    rows = np.random.default_rng(0).standard_normal((len(example.protein) + 1, 4)).astype(np.float32)
    return dataclasses.replace(example, labels={"language": rows}), rows


def test_rows_of_a_language_model_are_not_shown(ubiquitin):
    """It has read the hidden residues: their neighbours' rows, and that of the whole, tell of them."""
    example, _ = with_language(ubiquitin)
    assert not view_of([example]).extras[0]["language"].any()


@pytest.mark.parametrize("options", [{"language": True}, {"compat": True}])
def test_where_they_are_shown_only_the_hidden_rows_are_zero(ubiquitin, options):
    example, rows = with_language(ubiquitin)
    view = view_of([example], **options)
    shown, hidden = view.extras[0]["language"], view.masked[0]
    assert (shown[:-1][hidden] == 0).all()
    assert np.array_equal(shown[:-1][~hidden], rows[:-1][~hidden])  # the leak
    assert np.array_equal(shown[-1], rows[-1])  # and that of the whole


def test_rows_that_are_asked_for_must_be_there(ubiquitin):
    with pytest.raises(InputError, match="language"):
        view_of([ubiquitin], language=True)


def test_the_last_residue_is_hidden_too(ubiquitin):
    cheap = {"accessibility": 0.0}
    assert any(view_of([ubiquitin], seed, **cheap).masked[0][-1] for seed in range(15))
    assert not any(view_of([ubiquitin], seed, compat=True, **cheap).masked[0][-1] for seed in range(15))
