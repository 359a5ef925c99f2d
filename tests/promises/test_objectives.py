"""What every registered objective promises (architecture, rule 2)."""

import dataclasses

import numpy as np
import pytest
import torch

from plait import registry
from plait.data.base import Example
from plait.objectives.base import Sum, total
from plait.structure.protein import Hetero
from plait.structure.vocabulary import UNKNOWN
from plait.training.base_rates import best_constants

OBJECTIVES = registry.parts("objective")
pytestmark = pytest.mark.parametrize("name", OBJECTIVES)


def make(name):
    cls = OBJECTIVES[name]
    return cls(cls.Config())


@pytest.fixture(scope="module")
def examples(whole, gapped, two_chains, one_residue, backbone_only):
    """Real structures with a made-up profile and made-up changes of stability."""
    made = []
    for number, protein in enumerate((whole, gapped, two_chains, one_residue, backbone_only)):
        generator = np.random.default_rng(number)
        labels = {
            "profile": generator.dirichlet(np.ones(20), len(protein)).astype(np.float32),
            "neff": generator.uniform(1, 50, len(protein)).astype(np.float32),
            "structure_tokens": generator.integers(0, 20, len(protein)),
        }
        ddg = generator.normal(1, 1, (len(protein), 20)).astype(np.float32)
        for kind, share in (("megascale", 0.3), ("curated", 0.02)):
            measured = generator.random(ddg.shape) < share
            labels[f"ddg_{kind}"] = np.where(measured, ddg, np.float32(np.nan))
        labels["binding_site"] = generator.choice([0, 0, 1, np.nan], len(protein)).astype(np.float32)
        whole_labels = {"ec": (generator.random(538) < 0.01).astype(np.float32), "fold": generator.integers(1139)}
        made.append(Example(str(number), protein, labels, protein_labels=whole_labels))
    return made


def view_of(objective, examples, seed=0):
    return objective.view(examples, np.random.default_rng(seed))


def outputs_for(objective, view, seed=0, fill=None):
    generator = torch.Generator().manual_seed(seed)
    shapes = objective.shapes(view)
    return {name: torch.randn(shape, generator=generator, requires_grad=True) for name, shape in shapes.items()}


def visible(view):
    """Everything that an encoder can see of a view, as bytes."""
    parts = []
    for protein, masked, extra in zip(view.proteins, view.masked, view.extras):
        for seen in (protein, protein.hetero):
            for field in dataclasses.fields(seen):
                value = getattr(seen, field.name)
                if isinstance(value, np.ndarray):
                    parts.append((field.name, value.dtype.str, value.shape, value.tobytes()))
        parts.append(masked.tobytes())
        parts.append(sorted((k, np.asarray(v).tobytes()) for k, v in extra.items()))
    return parts + [(other, visible(view.others[other])) for other in sorted(view.others)]


def test_no_leak(name, examples):
    """Other types (and no side chains) where the type is asked, another profile, other stabilities or other sites and
    no ligands where those are asked: the view that the encoder sees stays bit-identical."""
    objective = make(name)
    before = view_of(objective, examples)
    changed, first = [], 0
    for example in examples:
        protein, labels = example.protein, dict(example.labels)
        rows = slice(first, first + len(protein))
        first += len(protein)
        asked = before.weights.get("residue_type", np.zeros(first))[rows] > 0
        types = np.where(asked, (protein.residue_type + 7) % 20, protein.residue_type).astype(np.int8)
        names = np.where(asked, "XYZ", protein.residue_name)
        keep = ~asked[protein.residue_of] | np.isin(protein.atom_name, ("N", "CA", "C", "O"))
        protein = protein.replace(
            residue_type=types, residue_name=names, position=protein.position[keep],
            atom_name=protein.atom_name[keep], element=protein.element[keep], residue_of=protein.residue_of[keep],
        )  # fmt: skip
        if "profile" in before.weights or "log_odds" in before.weights:
            labels["profile"] = np.roll(labels["profile"], 3, axis=1)
        if "stability" in before.weights:
            for kind in ("megascale", "curated"):
                labels[f"ddg_{kind}"] = np.roll(1 - labels[f"ddg_{kind}"], 5, axis=1)
        if "binding_site" in before.weights:
            labels["binding_site"] = 1 - labels["binding_site"]
            protein = protein.replace(hetero=Hetero.empty())
        whole_labels = {"ec": 1 - example.protein_labels["ec"], "fold": 1138 - example.protein_labels["fold"]}
        changed.append(dataclasses.replace(example, protein=protein, labels=labels, protein_labels=whole_labels))
    after = view_of(objective, changed)
    assert visible(after) == visible(before)
    assert any((weights > 0).any() for weights in before.weights.values())


def test_atoms_that_are_not_shown_can_be_anywhere(name, examples):
    """Frames, centres and the like are made from what is seen."""
    objective = make(name)
    before = view_of(objective, examples)
    changed = []
    for example, shown in zip(examples, before.proteins):
        protein = example.protein
        seen = set(zip(shown.residue_of.tolist(), shown.atom_name.tolist()))
        gone = [key not in seen for key in zip(protein.residue_of.tolist(), protein.atom_name.tolist())]
        moved = np.array(protein.position)
        moved[gone] += 3 + np.random.default_rng(1).normal(size=(sum(gone), 3)).astype(moved.dtype)
        changed.append(dataclasses.replace(example, protein=protein.with_positions(moved)))
    assert visible(view_of(objective, changed)) == visible(before)


def test_same_draws_same_loss(name, examples):
    objective = make(name)
    first, second = view_of(objective, examples, 3), view_of(objective, examples, 3)
    assert visible(first) == visible(second)
    losses = [total(objective.loss(outputs_for(objective, view), view)) for view in (first, second)]
    assert losses[0].item() == losses[1].item()


def test_zero_where_nothing_is_asked(name, examples):
    objective = make(name)
    view = view_of(objective, examples)
    silent = dataclasses.replace(view, weights={n: np.zeros_like(w) for n, w in view.weights.items()})
    outputs = outputs_for(objective, view)
    loss = total(objective.loss(outputs, silent))
    loss.backward()
    assert loss.item() == 0
    assert all(term.count == 0 for term in objective.loss(outputs, silent).values())
    assert all(torch.isfinite(o.grad).all() for o in outputs.values() if o.grad is not None)


def test_a_perfect_prediction_gives_the_least_value(name, examples):
    objective = make(name)
    view = view_of(objective, examples)
    perfect = objective.perfect(view)
    best = total(objective.loss(perfect, view)).item()
    for seed in range(5):
        assert best < total(objective.loss(outputs_for(objective, view, seed), view)).item()
        nudged = {head: value + 0.1 * torch.randn_like(value) for head, value in perfect.items()}
        assert best <= total(objective.loss(nudged, view)).item()


def test_it_composes(name, examples):
    objective = make(name)
    other = next(iter(OBJECTIVES.values()))
    both = objective + 0.3 * other(other.Config())
    assert isinstance(both, Sum)
    view = view_of(both, examples)
    outputs = outputs_for(both, view)
    terms = both.loss(outputs, view)
    assert set(objective.loss(outputs, view)) <= set(terms)
    expected = sum(term.weight * term.value for term in terms.values())
    assert torch.allclose(total(terms), expected)


def test_hidden_residues_are_unknown_and_bare(name, examples):
    view = view_of(make(name), examples)
    for protein, masked in zip(view.proteins, view.masked):
        assert (protein.residue_type[masked] == UNKNOWN).all()
        bare = np.isin(protein.atom_name[masked[protein.residue_of]], ("N", "CA", "C", "O"))
        assert bare.all()


def test_the_best_constant_answer_is_no_worse_than_none(name, examples):
    """What heads begin with (`plait.training.base_rates`) is finite, and loses no more than zeros do."""
    objective = make(name)
    view = view_of(objective, examples)
    shapes = objective.shapes(view)
    constants = best_constants(objective, [view], objective.heads)
    assert all(constant.shape == shapes[head][1:] for head, constant in constants.items())
    losses = []
    for known in (constants, {}):
        outputs = {head: torch.zeros(shape) + known.get(head, 0.0) for head, shape in shapes.items()}
        losses.append(float(total(objective.loss(outputs, view))))
    assert np.isfinite(losses).all()
    assert losses[0] <= losses[1] + 1e-3 * abs(losses[1])  # but for the shrinkage
