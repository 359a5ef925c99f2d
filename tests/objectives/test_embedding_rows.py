"""Every objective hands embeddings on to an encoder that reads them, and none shows the rows of hidden residues."""

import dataclasses

import numpy as np
import pytest
import torch

from plait import registry
from plait.data.base import Example
from plait.encoders.base import EncoderWithHeads
from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder
from plait.objectives.binding_site import BindingSite, BindingSiteConfig
from plait.objectives.masked_lm import MaskedLM, MaskedLMConfig
from plait.objectives.siamdiff import SiamDiff
from plait.objectives.smpc import Smpc, SmpcConfig
from plait.structure import read_structure
from plait.training.examples import make_batch

TINY = {"layers": 1, "width": 16, "feed_forward": 16, "heads": 4, "edge_width": 8, "kernels": 8}
WIDTH = 5
OBJECTIVES = registry.parts("objective")
GENERATOR = np.random.default_rng


@pytest.fixture(scope="module")
def examples(structures):
    """Ubiquitin and crambin with rows that say which residue of which protein they are of, none of them zero."""
    made = []
    for number, file in enumerate(("1ubi.pdb", "1crn.cif")):
        protein, generator = read_structure(structures / file), GENERATOR(number)
        count = len(protein)
        rows = np.arange(1, count + 1)[:, None] + 1000 * (number + 1) + np.zeros(WIDTH)
        labels = {
            "language": rows.astype(np.float32),
            "profile": generator.dirichlet(np.ones(20), count).astype(np.float32),
            "neff": generator.uniform(1, 50, count).astype(np.float32),
            "binding_site": generator.choice([0, 1], count).astype(np.float32),
            "ddg_megascale": generator.normal(1, 1, (count, 20)).astype(np.float32),
            "ddg_curated": np.full((count, 20), np.nan, np.float32),
        }
        whole = {"ec": (generator.random(538) < 0.01).astype(np.float32), "fold": generator.integers(1139)}
        made.append(Example(str(number), protein, labels, protein_labels=whole))
    return made


def views_of(view):
    return [view, *(inner for other in view.others.values() for inner in views_of(other))]


def train_one(objective, examples):
    """A network's answers to a view of the examples, and the gradient of the first layer that reads embeddings."""
    torch.manual_seed(0)
    encoder = VabsnetEncoder(VabsnetConfig(**TINY, language_width=WIDTH))
    network = EncoderWithHeads(encoder, objective.heads, objective.make_heads(encoder))
    batch = make_batch(encoder, objective, examples, GENERATOR(0))
    terms = objective.loss(batch.outputs(network), batch.view)
    sum(term.weight * term.value for term in terms.values()).backward()
    first = next(encoder.vabsnet.language.parameters())
    return batch, terms, first.grad


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_encoder_that_reads_embeddings_is_trained(name, examples):
    objective = OBJECTIVES[name](OBJECTIVES[name].Config())
    batch, terms, gradient = train_one(objective, examples)
    assert terms and all(torch.isfinite(term.value) for term in terms.values())
    assert torch.isfinite(gradient).all()
    assert bool(gradient.abs().max() > 0) == objective.shows_embeddings
    for view in views_of(batch.view):
        for protein, masked, extras in zip(view.proteins, view.masked, view.extras, strict=True):
            rows = extras["language"]
            assert rows.shape == (len(protein), WIDTH)
            assert not rows[masked].any()
            assert rows.any() == (objective.shows_embeddings and not masked.all())


@pytest.mark.parametrize(
    "objective",
    [
        MaskedLM(MaskedLMConfig(rate=0.4, random=0.5)),
        BindingSite(BindingSiteConfig(hidden=0.4)),
        Smpc(SmpcConfig(language=True)),
        MaskedLM(MaskedLMConfig(rate=0.2)) + 0.5 * BindingSite(BindingSiteConfig(hidden=0.2)),
    ],
)
def test_rows_are_zero_where_residues_are_hidden_and_whole_elsewhere(objective, examples):
    view = objective.view(examples, GENERATOR(1))
    first = 0
    for example, masked, extras in zip(examples, view.masked, view.extras, strict=True):
        asked = view.weights.get("residue_type", np.zeros(10_000))[first : first + len(masked)] > 0
        gone = masked | asked  # a random type in place of the true one hides it as well
        assert 0 < gone.sum() < len(gone)
        assert not extras["language"][gone].any()
        assert np.array_equal(extras["language"][~gone], example.labels["language"][~gone])
        first += len(masked)


def test_hidden_rows_change_nothing_that_the_network_says(examples):
    objective = BindingSite(BindingSiteConfig(hidden=0.4))
    batch, terms, _ = train_one(objective, examples)
    changed = []
    for example, masked in zip(examples, batch.view.masked):
        rows = example.labels["language"].copy()
        rows[masked] += 77
        changed.append(dataclasses.replace(example, labels={**example.labels, "language": rows}))
    again, same, _ = train_one(objective, changed)
    assert np.array_equal(batch.inputs.language, again.inputs.language)
    assert same["binding_site"].value.item() == terms["binding_site"].value.item()


def test_noise_on_all_places_hides_all_rows_on_both_sides(examples):
    view = SiamDiff(SiamDiff.Config()).view(examples, GENERATOR(0))
    assert len(views_of(view)) == 2
    assert not any(extras["language"].any() for one in views_of(view) for extras in one.extras)


def test_parts_of_a_protein_have_the_rows_of_their_residues(examples):
    view = OBJECTIVES["multiview"](OBJECTIVES["multiview"].Config(length=20)).view(examples, GENERATOR(0))
    for part in view.others.values():
        for number, (protein, extras) in enumerate(zip(part.proteins, part.extras, strict=True)):
            position = examples[number].protein.c_alpha
            places = [int(np.flatnonzero((position == one).all(1))[0]) for one in protein.c_alpha]
            assert np.array_equal(extras["language"], examples[number].labels["language"][places])


def test_a_sum_shows_no_more_than_each_part(examples):
    open_, closed = Smpc(SmpcConfig(language=True)), Smpc()
    assert open_.shows_embeddings and not closed.shows_embeddings
    distance = OBJECTIVES["distance"](OBJECTIVES["distance"].Config())
    assert not (distance + open_).view(examples, GENERATOR(0)).extras[0]["language"].any()
    assert (open_ + MaskedLM()).shows_embeddings and not (MaskedLM() + 0.1 * closed).shows_embeddings
