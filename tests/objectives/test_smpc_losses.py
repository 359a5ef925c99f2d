"""The five losses of span masks beside plain loops over residues and atoms of the original structures."""

import gemmi
import numpy as np
import pytest
import torch

from plait.data.base import Example
from plait.encoders.vabsnet.published import ATOM_SLOTS
from plait.objectives.smpc import Smpc, SmpcConfig
from plait.structure import read_structure
from plait.structure.surface import relative_accessibility
from plait.structure.vocabulary import RESIDUES

CHI = {
    "R": "N CA CB CG CD NE CZ", "N": "N CA CB CG OD1", "D": "N CA CB CG OD1", "C": "N CA CB SG",
    "Q": "N CA CB CG CD OE1", "E": "N CA CB CG CD OE1", "H": "N CA CB CG ND1", "I": "N CA CB CG1 CD1",
    "L": "N CA CB CG CD1", "K": "N CA CB CG CD CE NZ", "M": "N CA CB CG SD CE", "F": "N CA CB CG CD1",
    "P": "N CA CB CG CD", "S": "N CA CB OG", "T": "N CA CB OG1", "W": "N CA CB CG CD1", "Y": "N CA CB CG CD1",
    "V": "N CA CB CG1",
}  # fmt: skip
"""Chains of side-chain atoms, of which each four in a row make an angle."""

ALIKE = {("D", 4), ("F", 4), ("Y", 4), ("E", 5)}
"""Type and column of angles that are the same after half a turn."""


@pytest.fixture(scope="module")
def example(structures):
    return Example("2d7t", read_structure(structures / "2d7t.pdb.gz"))


@pytest.fixture(scope="module", params=["c-alpha", "all"])
def asked(request, example):
    """A view, random answers, and the terms."""
    objective = Smpc(SmpcConfig(kept=request.param))
    view = objective.view([example], np.random.default_rng(0))
    generator = torch.Generator().manual_seed(0)
    outputs = {name: torch.randn(shape, generator=generator) for name, shape in objective.shapes(view).items()}
    return view, {name: value.double().numpy() for name, value in outputs.items()}, objective.loss(outputs, view)


def atoms_of(protein):
    return {
        (int(residue), str(name)): place.astype(np.float64)
        for residue, name, place in zip(protein.residue_of, protein.atom_name, protein.position, strict=True)
    }


def test_types(asked, example):
    view, outputs, terms = asked
    losses, right = [], []
    for residue in np.flatnonzero(view.masked[0]):
        logits, true = outputs["residue_type"][residue], example.protein.residue_type[residue]
        losses.append(np.log(np.exp(logits).sum()) - logits[true])
        right.append(logits.argmax() == true)
    assert terms["residue_type"].value.item() == pytest.approx(np.mean(losses), rel=1e-5)
    assert terms["residue_type_accuracy"].value.item() == pytest.approx(np.mean(right))


def test_positions(asked, example):
    view, outputs, terms = asked
    clean, shown, errors, alphas = atoms_of(example.protein), view.proteins[0], [], []
    for row, (residue, name) in enumerate(zip(shown.residue_of, shown.atom_name, strict=True)):
        if view.masked[0][residue]:
            place = shown.position[row] + outputs["atom_position"][row]
            errors.append(np.abs(place - clean[int(residue), str(name)]).sum())
            alphas += [errors[-1]] * (name == "CA")
    assert terms["position"].count == len(errors)
    assert terms["position"].value.item() == pytest.approx(np.mean(errors), rel=1e-4)
    if len(errors) > len(alphas):
        assert terms["position_alpha"].value.item() == pytest.approx(np.mean(alphas), rel=1e-4)


def test_torsions(asked, example):
    view, outputs, terms = asked
    atoms, protein, squares, lengths = atoms_of(example.protein), example.protein, [], []

    def angle(*places):
        found = [atoms.get(place) for place in places]
        if any(one is None for one in found):
            return None
        return gemmi.calculate_dihedral(*(gemmi.Position(*one) for one in found))

    def bonded(first, second):
        carbon, nitrogen = atoms.get((first, "C")), atoms.get((second, "N"))
        return carbon is not None and nitrogen is not None and np.linalg.norm(carbon - nitrogen) < 2.0

    for i in np.flatnonzero(view.masked[0]).tolist():
        letter = RESIDUES[protein.residue_type[i]]
        angles = [None] * 7
        if i > 0 and protein.chain[i] == protein.chain[i - 1] and bonded(i - 1, i):
            angles[0] = angle((i - 1, "CA"), (i - 1, "C"), (i, "N"), (i, "CA"))
            angles[1] = angle((i - 1, "C"), (i, "N"), (i, "CA"), (i, "C"))
        if i + 1 < len(protein) and protein.chain[i] == protein.chain[i + 1] and bonded(i, i + 1):
            angles[2] = angle((i, "N"), (i, "CA"), (i, "C"), (i + 1, "N"))
        else:
            opposite = angle((i, "N"), (i, "CA"), (i, "C"), (i, "O"))
            angles[2] = None if opposite is None else opposite + np.pi
        chain = CHI.get(letter, "").split()
        for number in range(max(0, min(4, len(chain) - 3))):
            angles[3 + number] = angle(*((i, name) for name in chain[number : number + 4]))
        answers = outputs["torsion"][i].reshape(7, 2)
        for column, (true, answer) in enumerate(zip(angles, answers, strict=True)):
            lengths.append(abs(np.sqrt((answer**2).sum() + 1e-6) - 1))
            if true is not None:
                target, unit = np.array([np.sin(true), np.cos(true)]), answer / np.linalg.norm(answer)
                both = [((target - unit) ** 2).sum(), ((target + unit) ** 2).sum()]
                squares.append(min(both) if (letter, column) in ALIKE else both[0])
    assert terms["torsion"].count == len(squares)
    assert terms["torsion"].value.item() == pytest.approx(np.mean(squares) + np.mean(lengths), rel=1e-4)


def test_accessibilities(asked, example):
    view, outputs, terms = asked
    area = relative_accessibility(example.protein)
    errors = [abs(outputs["accessibility"][i, 0] - area[i]) for i in np.flatnonzero(view.masked[0])]
    assert terms["accessibility"].value.item() == pytest.approx(np.nanmean(errors), rel=1e-5)


def test_distances(asked, example):
    """Over the pairs that were drawn; which they are is tested with the view."""
    view, outputs, terms = asked
    clean, shown, errors = atoms_of(example.protein), view.proteins[0], []
    rows = {key: row for row, key in enumerate(atoms_of(shown))}
    places = shown.position.astype(np.float64) + outputs["atom_position"]
    for pair in view.targets["pairs"]:
        first, second = ((int(code) // 37, ATOM_SLOTS[int(code) % 37]) for code in pair)
        predicted = np.linalg.norm(places[rows[first]] - places[rows[second]])
        errors.append(abs(predicted - np.linalg.norm(clean[first] - clean[second])))
    assert terms["pair_distance"].count == len(errors) > 1000
    assert terms["pair_distance"].value.item() == pytest.approx(np.mean(errors), rel=1e-4)
