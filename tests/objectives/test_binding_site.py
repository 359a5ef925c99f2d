"""The objective of binding sites: its loss by hand, what it leaves out, and that encoders learn from it."""

import dataclasses

import numpy as np
import pytest
import torch

from plait import registry
from plait.data.base import Example
from plait.data.complexes import Complexes, ComplexesConfig
from plait.data.residue_labels import ResidueLabels, ResidueLabelsConfig
from plait.data.site_labels import atom_sites
from plait.encoders.base import EncoderWithHeads
from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder
from plait.encoders.vabsnet.published import MASK, UNKNOWN_ATOM
from plait.errors import InputError
from plait.objectives import binding_site_published as published
from plait.objectives.base import total, whole
from plait.objectives.binding_site import BindingSite, BindingSiteConfig
from plait.objectives.showing import batch_of
from plait.structure import read_structure
from plait.structure.protein import Hetero
from plait.tasks.binding_sites import BindingSites

TINY = {"layers": 1, "width": 16, "feed_forward": 16, "heads": 4, "edge_width": 8, "kernels": 8}
GENERATOR = np.random.default_rng


@pytest.fixture(scope="module")
def ubiquitin(structures):
    return read_structure(structures / "1ubi.pdb")


def labelled(protein, label, name="p"):
    return Example(name, protein, {"binding_site": np.asarray(label, np.float32)})


def loss_of(objective, examples, logits):
    view = objective.view(examples, GENERATOR(0))
    return objective.loss({"binding_site": torch.tensor(logits)[:, None]}, view)["binding_site"]


def test_loss_by_hand(ubiquitin):
    three = ubiquitin.select(np.arange(76) < 3)
    term = loss_of(BindingSite(), [labelled(three, [1, 0, np.nan])], [2.0, -1.0, 50.0])
    assert term.count == 2
    assert term.value.item() == pytest.approx((np.log1p(np.exp(-2)) + np.log1p(np.exp(-1))) / 2, rel=1e-6)


def test_it_is_the_cross_entropy_of_two_classes(ubiquitin):
    """The published head has two outputs; one logit is their difference."""
    generator = torch.Generator().manual_seed(0)
    two = torch.randn(76, 2, generator=generator)
    label = GENERATOR(0).integers(0, 2, 76)
    expected = torch.nn.functional.cross_entropy(two, torch.as_tensor(label))
    term = loss_of(BindingSite(), [labelled(ubiquitin, label)], (two[:, 1] - two[:, 0]).tolist())
    assert term.value.item() == pytest.approx(expected.item(), rel=1e-6)


def test_weights_of_binding_residues_and_of_proteins(ubiquitin):
    pair = ubiquitin.select(np.arange(76) < 2)
    part = [np.log1p(np.exp(-1)), np.log1p(np.exp(2))]  # of a binding residue at 1, of another at 2
    weighty = BindingSite(BindingSiteConfig(positive_weight=3.0))
    term = loss_of(weighty, [labelled(pair, [1, 0])], [1.0, 2.0])
    assert term.value.item() == pytest.approx((3 * part[0] + part[1]) / 4, rel=1e-6)
    alike = BindingSite(BindingSiteConfig(per_protein=True))
    one = ubiquitin.select(np.arange(76) < 1)
    term = loss_of(alike, [labelled(pair, [0, 0]), labelled(one, [1])], [2.0, 2.0, 1.0])
    assert term.value.item() == pytest.approx((part[0] + part[1]) / 2, rel=1e-6)


def test_nothing_outside_the_chains_is_seen(structures):
    protein = read_structure(structures / "4eiy.cif.gz")
    assert len(protein.hetero)
    view = BindingSite().view([labelled(protein, np.zeros(len(protein)))], GENERATOR(0))
    assert len(view.proteins[0].hetero) == 0
    assert np.array_equal(view.proteins[0].position, protein.position)


def test_hidden_residues(ubiquitin):
    objective = BindingSite(BindingSiteConfig(hidden=0.2))
    view = objective.view([labelled(ubiquitin, np.zeros(76))] * 20, GENERATOR(0))
    share = np.concatenate(view.masked).mean()
    assert abs(share - 0.2) < 4 * (0.2 * 0.8 / 1520) ** 0.5  # four standard deviations of the draw
    assert view.weights["binding_site"].all()


def test_examples_without_labels_are_not_asked(ubiquitin):
    view = BindingSite().view([Example("p", ubiquitin)], GENERATOR(0))
    assert not view.weights["binding_site"].any()


def test_pretraining_chains_are_never_negatives(shared):
    chains = Complexes(ComplexesConfig(folder=str(shared / "data" / "complexes"), split="pretrain"))
    view = BindingSite().view([chains[0]], GENERATOR(0))
    assert not view.weights["binding_site"].any()


@pytest.mark.parametrize(("field", "value"), [("positive_weight", 0.0), ("hidden", 1.0), ("hidden", -0.1)])
def test_bad_options_are_refused(field, value):
    with pytest.raises(InputError):
        BindingSite(dataclasses.replace(BindingSiteConfig(), **{field: value}))


@pytest.mark.parametrize("name", registry.parts("encoder"))
def test_every_encoder_has_the_head(name, ubiquitin):
    """Logits, loss and a gradient in the encoder, for every registered encoder."""
    torch.manual_seed(0)
    cls = registry.get("encoder", name)
    encoder = cls(cls.Config())
    reads = getattr(encoder.config, "has_structure", False)
    tokens = {"structure_tokens": [np.zeros(76, np.int64)]} if reads else {}
    objective = BindingSite()
    model = EncoderWithHeads(encoder, objective.heads)
    view = objective.view([labelled(ubiquitin, np.arange(76) % 9 == 0)], GENERATOR(0))
    outputs = model(encoder.prepare(view.proteins, **tokens))
    assert outputs["binding_site"].shape == (76, 1)
    total(objective.loss(outputs, view)).backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in encoder.parameters())


def test_it_stands_beside_other_objectives(ubiquitin):
    masked = registry.get("objective", "masked-lm")()
    both = BindingSite() + 0.5 * masked
    example = labelled(ubiquitin, np.arange(76) % 2)
    view = both.corrupt(whole([example]), [example], GENERATOR(0))
    assert view.masked[0].any()
    assert {"binding_site", "residue_type"} <= set(view.weights)


# -- atoms


@pytest.fixture(scope="module")
def complexes(shared):
    """Two small complexes with their ligands."""
    dataset = Complexes(ComplexesConfig(folder=str(shared / "data" / "complexes"), split="valid", copies="drop"))
    return [dataset[index] for index in np.argsort(dataset.lengths)[:2]]


def test_atoms_bind_by_their_own_distance(complexes):
    for example in complexes:
        protein, label = example.protein, example.labels["binding_site"].copy()
        nearest = np.linalg.norm(protein.position[:, None] - protein.hetero.position[None], axis=-1).min(1)
        assert np.array_equal(atom_sites(protein, label, 4.0), nearest < 4)
        assert 0 < (nearest < 4).sum() < (label[protein.residue_of] == 1).sum()
        label[3] = np.nan
        unknown = np.isnan(atom_sites(protein, label, 4.0))
        assert np.array_equal(unknown, protein.residue_of == 3)
        # waters and ions are no ligands; without any the residues' labels are spread
        water = protein.replace(hetero=dataclasses.replace(protein.hetero, kind=np.full(len(protein.hetero), "water")))
        for alone in (water, protein.replace(hetero=Hetero.empty())):
            spread = atom_sites(alone, example.labels["binding_site"])
            assert np.array_equal(spread, example.labels["binding_site"][protein.residue_of])


def test_the_loss_of_atoms_is_their_cross_entropy(complexes):
    objective = BindingSite(BindingSiteConfig(atoms=0.5, hidden=0.3, positive_weight=2.0))
    view = objective.view(complexes, GENERATOR(0))
    assert objective.heads == {"binding_site": 1, "atom_binding_site": 1}
    residues, atoms = (sum(map(len, of)) for of in (view.proteins, [p.position for p in view.proteins]))
    logit = GENERATOR(1).normal(0, 2, atoms).astype(np.float32)
    outputs = {"binding_site": torch.zeros(residues, 1), "atom_binding_site": torch.from_numpy(logit)[:, None]}
    terms = objective.loss(outputs, view)
    top, below, first = 0.0, 0.0, 0
    for example, shown in zip(complexes, view.proteins, strict=True):
        ligand = example.protein.hetero.position
        assert len(shown.position) < len(example.protein.position)  # side chains of hidden residues are gone
        for place, z in zip(shown.position, logit[first : first + len(shown.position)], strict=True):
            binds = np.linalg.norm(ligand - place, axis=1).min() < 4
            weight = 2.0 if binds else 1.0
            top, below = top + weight * np.log1p(np.exp(-z if binds else z)), below + weight
        first += len(shown.position)
    assert terms["atom_binding_site"].value.item() == pytest.approx(top / below, rel=1e-5)
    assert (terms["atom_binding_site"].weight, terms["atom_binding_site"].count) == (0.5, atoms)
    assert "atom_binding_site" not in objective.loss({"binding_site": outputs["binding_site"]}, view)


@pytest.mark.parametrize("options", [{"atoms": 1.0}, {"atoms": 1.0, "per_protein": True, "hidden": 0.2}])
def test_a_perfect_answer_for_atoms_costs_nothing(complexes, options):
    objective = BindingSite(BindingSiteConfig(**options))
    view = objective.view(complexes, GENERATOR(0))
    terms = objective.loss(objective.perfect(view), view)
    assert total(terms).item() == pytest.approx(0, abs=1e-6)
    assert all(term.count > 0 for term in terms.values())


def test_atoms_teach_the_encoder_without_seeing_the_ligand(complexes):
    torch.manual_seed(0)
    objective = BindingSite(BindingSiteConfig(atoms=1.0))
    model = EncoderWithHeads(VabsnetEncoder(VabsnetConfig(**TINY)), objective.heads)
    view = objective.view(complexes, GENERATOR(0))
    assert all(len(protein.hetero) == 0 for protein in view.proteins)
    terms = objective.loss(model(batch_of(model.encoder, view)), view)
    terms["atom_binding_site"].value.backward()
    assert all(p.grad is not None for p in model.readout.heads["atom_binding_site"].parameters())
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in model.encoder.parameters())


@pytest.mark.parametrize(("field", "value"), [("atoms", -1.0), ("cutoff", 0.0)])
def test_bad_options_of_atoms_are_refused(field, value):
    with pytest.raises(InputError):
        BindingSite(dataclasses.replace(BindingSiteConfig(), **{field: value}))


# -- as published


def test_published_corruption_hides_names_and_keeps_atoms(ubiquitin):
    objective = BindingSite(BindingSiteConfig(compat=True, hidden=0.2))
    view = objective.view([labelled(ubiquitin, np.zeros(76))], GENERATOR(3))
    shown, hidden = view.proteins[0], view.masked[0]
    of_hidden = hidden[shown.residue_of]
    assert 0 < hidden.sum() < 76
    assert len(shown.position) == len(ubiquitin.position)
    encoder = VabsnetEncoder(VabsnetConfig(**TINY, compat=True, virtual_points=0))
    batch = batch_of(encoder, view)
    nodes = batch.atom_rows.numpy()
    types = batch.atom_type.numpy()[nodes]
    assert (types[of_hidden] == UNKNOWN_ATOM).all()
    assert not (types[~of_hidden] == UNKNOWN_ATOM).any()
    assert np.array_equal(batch.residue_type.numpy()[nodes] == MASK, of_hidden)
    # a pose, and 0.5 angstrom of noise where it is hidden: distances tell
    before, after = (np.linalg.norm(p[:, None] - p[None], axis=-1) for p in (ubiquitin.position, shown.position))
    kept = ~of_hidden
    assert np.allclose(before[np.ix_(kept, kept)], after[np.ix_(kept, kept)], atol=1e-4)
    moved = (after - before)[np.ix_(of_hidden, kept)]
    assert 0.4 < moved.std() < 0.6


def test_published_loss_of_the_oracle(oracle):
    """Nodes of a chain with random labels, from the raw chain on; the tolerance of the oracle's README is 2e-5."""
    import sys
    from pathlib import Path

    sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "encoders" / "vabsnet")]
    from test_smpc_oracle import example_of
    from vabsnet_cases import config_of, read_weights

    from plait.encoders.vabsnet.published import from_published

    name = "base_sites_1l2y"
    example, arrays = example_of(oracle, name)
    example.labels["binding_site"] = arrays["raw/pocket_label"].astype(np.float32)
    objective = BindingSite(BindingSiteConfig(compat=True))
    assert objective.heads == {"atom_binding_site": 2}
    view = objective.view([example], GENERATOR(0))
    draws = published.Draws(
        arrays["draws/euler_theta_phi_gamma"], arrays["draws/translation"], lambda n: np.zeros((n, 3))
    )
    start = np.zeros(len(example.protein), bool)
    shown = published.show(example.protein, start, example.labels, start, draws)
    view = dataclasses.replace(view, proteins=[shown.protein], masked=[shown.masked], extras=[shown.extras])
    network = EncoderWithHeads(VabsnetEncoder(config_of(oracle, name)), objective.heads).eval()
    state = from_published(read_weights(oracle, name))
    state = {key.replace("encoder.", "encoder.vabsnet.", 1): value.float() for key, value in state.items()}
    state = {key.replace("heads.sites.", "readout.heads.atom_binding_site."): value for key, value in state.items()}
    own = network.state_dict()
    network.load_state_dict({key: value for key, value in state.items() if key in own})
    with torch.no_grad():
        outputs = network(batch_of(network.encoder, view))
    term = objective.loss(outputs, view)["atom_binding_site"]
    assert term.value.item() == pytest.approx(float(arrays["loss/site_cross_entropy"]), abs=2e-5)
    assert term.count == len(arrays["target/atom_label"])
    # the residues' probabilities are those of the C-alphas' nodes
    from plait.tasks.binding_sites.predicting import probabilities

    residues, atoms = probabilities(shown.protein, {key: value.numpy() for key, value in outputs.items()})
    logits = torch.from_numpy(arrays["out/pocket_logits"]).double()
    alphas = np.flatnonzero(arrays["in/res_mask"])[:-1]
    assert np.allclose(residues, torch.softmax(logits, -1)[alphas, 1], atol=1e-5)
    assert np.allclose(np.sort(atoms), np.sort(torch.softmax(logits, -1)[:-1, 1]), atol=1e-5)


# -- labels of other partners, on backbones


@pytest.mark.parametrize("ligand", ["ATP", "HEM", "CA", "MG", "MN", "ZN", "DNA", "RNA", "PEP"])
def test_other_partners_on_backbones_alone(shared, ligand):
    """Loss, gradient and evaluation for both families; the evaluation beside scikit-learn's."""
    sklearn = pytest.importorskip("sklearn.metrics")
    data = shared / "data"
    dataset = ResidueLabels(
        ResidueLabelsConfig(folder=str(data / "labels"), corpus=str(data / "corpus"), ligand=ligand, split="train")
    )
    examples = [dataset[int(index)] for index in np.argsort(dataset.lengths)[:2]]
    assert not set().union(*(example.protein.atom_name for example in examples)) - {"N", "CA", "C", "O"}
    for name, options in (
        ("vabsnet", TINY),
        ("neighbourhood", {"width": 16, "edge_width": 8, "layers": 1, "heads": 2}),
    ):
        cls = registry.get("encoder", name)
        torch.manual_seed(0)
        objective = BindingSite(BindingSiteConfig(atoms=1.0))
        model = EncoderWithHeads(cls(cls.Config(**options)), objective.heads)
        view = objective.view(examples, GENERATOR(0))
        outputs = model(batch_of(model.encoder, view))
        terms = objective.loss(outputs, view)
        assert set(terms) == {"binding_site"} | ({"atom_binding_site"} if name == "vabsnet" else set())
        assert terms["binding_site"].count == sum(np.isfinite(e.labels["binding_site"]).sum() for e in examples)
        total(terms).backward()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
        logits = outputs["binding_site"].detach().split([len(example.protein) for example in examples])
        found = BindingSites.evaluate(examples, [{"binding_site": one.numpy()} for one in logits])
        true = [example.labels["binding_site"] for example in examples]
        areas = [
            sklearn.roc_auc_score(label[np.isfinite(label)], logit.numpy()[np.isfinite(label), 0])
            for label, logit in zip(true, logits, strict=True)
            if len(np.unique(label[np.isfinite(label)])) == 2
        ]
        assert found["auroc"] == pytest.approx(np.mean(areas), abs=1e-9)


def test_kinds_of_partners_by_hand(ubiquitin):
    """Each known pair of residue and kind is one question; the rest is not asked."""
    two = ubiquitin.select(np.arange(76) < 2)
    objective = BindingSite(BindingSiteConfig(columns=3))
    assert objective.heads == {"binding_site": 3}
    label = np.array([[1, np.nan, 0], [np.nan, 0, np.nan]], np.float32)
    view = objective.view([labelled(two, label)], GENERATOR(0))
    logit = torch.tensor([[2.0, 99.0, 1.0], [99.0, -3.0, 99.0]], requires_grad=True)
    term = objective.loss({"binding_site": logit}, view)["binding_site"]
    expected = (np.log1p(np.exp(-2)) + np.log1p(np.exp(1)) + np.log1p(np.exp(-3))) / 3
    assert term.value.item() == pytest.approx(expected, rel=1e-6)
    term.value.backward()
    assert torch.equal(logit.grad == 0, torch.tensor(np.isnan(label)))
    found = objective.loss(objective.perfect(view), view)
    assert total(found).item() == pytest.approx(0, abs=1e-6)


def test_labels_of_another_number_of_kinds_are_refused(ubiquitin):
    for columns, label in ((3, np.zeros((76, 2))), (3, np.zeros(76)), (1, np.zeros((76, 2)))):
        with pytest.raises(InputError, match=r"kinds of partners.*columns"):
            BindingSite(BindingSiteConfig(columns=columns)).view([labelled(ubiquitin, label)], GENERATOR(0))
    with pytest.raises(InputError, match="kinds of partners"):
        BindingSite(BindingSiteConfig(columns=2, atoms=1.0))
