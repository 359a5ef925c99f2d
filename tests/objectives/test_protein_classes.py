"""EC numbers and folds: the losses by hand, what is not asked, what does not fit, and that encoders learn from them."""

import dataclasses

import numpy as np
import pytest
import torch

from plait import registry
from plait.data.base import Example
from plait.data.enzymes import TERMS
from plait.data.folds import CLASSES
from plait.encoders.base import EncoderWithHeads
from plait.errors import InputError
from plait.objectives.base import total
from plait.objectives.ec import Ec, EcConfig
from plait.objectives.fold import Fold, FoldConfig
from plait.structure import read_structure

GENERATOR = np.random.default_rng


@pytest.fixture(scope="module")
def proteins(structures):
    return [read_structure(structures / name) for name in ("1ubi.pdb", "2d7t.pdb.gz")]


def examples_of(proteins, *labels):
    return [Example(str(i), one, protein_labels=kind) for i, (one, kind) in enumerate(zip(proteins, labels))]


def terms_of(objective, examples, outputs):
    return objective.loss(outputs, objective.view(examples, GENERATOR(0)))


def test_ec_by_hand(proteins):
    """The mean over four terms of log(1 + e^-z) where it has the term and log(1 + e^z) where it has not."""
    objective = Ec(EcConfig(classes=4))
    examples = examples_of(proteins, {"ec": np.array([1, 0, 1, 0], np.float32)}, {})
    logit = torch.tensor([[2.0, -1.0, 0.0, 3.0], [9.0, 9.0, 9.0, 9.0]])
    expected = np.mean(np.log1p(np.exp([-2.0, -1.0, 0.0, 3.0])))
    term = terms_of(objective, examples, {"protein_ec": logit})["ec"]
    assert term.value.item() == pytest.approx(expected, rel=1e-6)
    assert term.count == 1


def test_fold_by_hand(proteins):
    objective = Fold(FoldConfig(classes=3))
    examples = examples_of(proteins, {"fold": np.int64(2)}, {"fold": np.int64(0)})
    logit = torch.tensor([[0.0, 0.0, np.log(2)], [np.log(3), 0.0, 0.0]])
    term = terms_of(objective, examples, {"protein_fold": logit})["fold"]
    assert term.value.item() == pytest.approx((np.log(2) + np.log(5 / 3)) / 2, rel=1e-6)
    assert term.count == 2


def test_what_is_not_labelled_is_not_asked(proteins):
    for objective, head in ((Ec(EcConfig(classes=4)), "protein_ec"), (Fold(FoldConfig(classes=4)), "protein_fold")):
        outputs = {head: torch.randn(2, 4)}
        terms = terms_of(objective, examples_of(proteins, {}, {}), outputs)
        assert [(term.value.item(), term.count) for term in terms.values()] == [(0, 0)]


def test_the_encoder_sees_the_whole_protein(proteins):
    for objective in (Ec(), Fold()):
        view = objective.view(examples_of(proteins, {}, {}), GENERATOR(0))
        assert all(shown is protein for shown, protein in zip(view.proteins, proteins))


def test_default_classes_are_those_of_the_data():
    assert Ec().heads == {"protein_ec": TERMS}
    assert Fold().heads == {"protein_fold": CLASSES["homology"]}


def test_labels_that_do_not_fit_say_what_to_set(proteins):
    examples = examples_of(proteins, {"ec": np.zeros(3, np.float32), "fold": np.int64(1150)}, {})
    with pytest.raises(InputError, match="classes to 3"):
        Ec().view(examples, GENERATOR(0))
    with pytest.raises(InputError, match=r"1195 \(official\)"):
        Fold().view(examples, GENERATOR(0))
    assert Fold(FoldConfig(classes=1195)).view(examples, GENERATOR(0)).targets["protein_fold"].tolist() == [1150, 0]


SMALL = {
    "gearnet-edge": {"hidden": (16, 16)},
    "vabsnet": {"width": 32, "layers": 1, "heads": 4, "feed_forward": 32},
}


@pytest.mark.parametrize("name", SMALL)
def test_encoders_learn_both_of_a_handful_of_proteins(name, structures):
    """30 steps on four pieces with labels of their own bring the loss far below that of knowing the frequencies."""
    torch.manual_seed(0)
    cls = registry.get("encoder", name)
    fields = {field.name for field in dataclasses.fields(cls.Config)}
    encoder = cls(cls.Config(**{key: value for key, value in SMALL[name].items() if key in fields}))
    objective = Ec(EcConfig(classes=4)) + Fold(FoldConfig(classes=4))
    receptor = read_structure(structures / "4eiy.cif.gz")
    parts = [receptor.select(np.arange(len(receptor)) // 20 == number) for number in range(4)]
    labels = [{"ec": np.eye(4, dtype=np.float32)[i], "fold": np.int64(i)} for i in range(4)]
    model = EncoderWithHeads(encoder, objective.heads, protein_layers=2)
    view = objective.view(examples_of(parts, *labels), GENERATOR(0))
    batch = encoder.prepare(view.proteins)
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(30):
        optimiser.zero_grad()
        loss = total(objective.loss(model(batch), view))
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.5 * (np.log(4) + 0.562)
