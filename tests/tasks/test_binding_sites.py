"""Binding sites of structures: tables and pockets by hand, what is refused, and what must not matter."""

import numpy as np
import pytest
import torch

import plait.tasks.binding_sites.predicting as predicting
from plait.encoders.base import EncoderWithHeads
from plait.encoders.neighbourhood.configuration import NeighbourhoodConfig
from plait.encoders.neighbourhood.encoder import NeighbourhoodEncoder
from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder
from plait.errors import InputError
from plait.models.loading import load, save
from plait.models.model import Model
from plait.models.scoring import Scoring
from plait.reports.sites import sites_page_data
from plait.structure import Protein, read_structure
from plait.structure.protein import Hetero
from plait.tasks.binding_sites import ATOM_COLUMNS, COLUMNS, POCKET_COLUMNS, BindingSites, sites
from plait.tasks.binding_sites.geometric import GEOMETRIC
from plait.tasks.binding_sites.pockets import (
    SitePoints,
    densest_pockets,
    likely,
    linked,
    points_of_cavities,
    points_of_residues,
    ranked_pockets,
)


def network(heads, seed=0):
    torch.manual_seed(seed)
    config = NeighbourhoodConfig(width=32, edge_width=16, layers=1, heads=2, neighbours=8)
    return EncoderWithHeads(NeighbourhoodEncoder(config), heads)


def model_of(heads, card=None):
    return Model("tiny", network(heads), None, Scoring(), card or {})


@pytest.fixture(scope="module")
def model():
    return model_of({"binding_site": 1}, {"binding_sites": {"threshold": 0.4, "pocket_threshold": 0.3}})


class Fixed:
    """A model whose logits are given."""

    name, digest, card = "fixed", "0", {}

    def __init__(self, logit):
        self.logit, self.seen, self.network = np.asarray(logit), [], network({"binding_site": 1})

    def outputs(self, protein):
        self.seen.append(protein)
        return {"binding_site": self.logit[: len(protein), None]}


@pytest.fixture(scope="module")
def receptor(structures):
    """An adenosine receptor with its ligand ZMA and lipids."""
    return read_structure(structures / "4eiy.cif.gz")


def test_probabilities_are_sigmoids_in_a_table(structures):
    protein = read_structure(structures / "2d7t.pdb.gz")
    logit = np.linspace(-3, 3, len(protein))
    result = BindingSites()(Fixed(logit), protein)
    assert tuple(result.table.columns) == COLUMNS
    assert np.allclose(result.table["probability"], 1 / (1 + np.exp(-logit)), atol=1e-6)
    assert result.table["author_number"].tolist() == [protein.residue_label(i) for i in range(len(protein))]
    assert "52A" in set(result.table["author_number"])
    assert (result.predicted == (logit >= 0)).all()
    assert tuple(result.pocket_table.columns) == POCKET_COLUMNS


def test_pockets_by_hand():
    """Two pairs of points 2 apart, 10 between them, and a lone one."""
    position = np.array([[0.0, 0, 0], [2, 0, 0], [12, 0, 0], [14, 0, 0], [40, 0, 0]])
    weight, size = np.array([0.5, 1.0, 0.9, 0.9, 1.0]), np.array([1.0, 1, 2, 2, 9])
    touching = np.array([[0, 3], [0, 4], [1, 5], [2, 7], [2, 8], [3, 9], [4, 1], [4, 2]])
    first, second = ranked_pockets(SitePoints(position, weight, size, touching), link=3, fewest=3)
    assert (first.rank, second.rank) == (1, 2)
    assert first.score == pytest.approx(2 * 2 * 0.81)
    assert np.allclose(first.centre, [13, 0, 0])
    assert second.score == pytest.approx(0.25 + 1)
    assert np.allclose(second.centre, [2 / 1.5, 0, 0])  # (0.5 * 0 + 1 * 2) / 1.5
    assert second.residues.tolist() == [3, 4, 5]


def test_linking_is_single_linkage():
    from scipy.cluster.hierarchy import fcluster, linkage

    points = np.random.default_rng(0).uniform(0, 20, (80, 3))
    expected = fcluster(linkage(points, "single"), 3.0, "distance")
    found = linked(points, 3.0)
    assert len(set(zip(found.tolist(), expected.tolist()))) == len(set(expected)) == found.max() + 1
    assert len(linked(np.zeros((0, 3)), 3.0)) == 0


def test_spheres_lie_where_points_weigh_most():
    generator = np.random.default_rng(0)
    blobs = [generator.normal(centre, 1.0, (40, 3)) for centre in ((0, 0, 0), (20, 0, 0), (0, 30, 0))]
    weight = np.repeat([0.5, 0.9, 0.05], 40)
    touching = np.stack([np.arange(120), np.repeat([0, 1, 2], 40)], axis=1)
    points = SitePoints(np.concatenate(blobs), weight, np.full(120, 2.0), touching)
    found = densest_pockets(points, radius=8.0, fewest=1)
    assert [pocket.residues.tolist() for pocket in found] == [[1], [0], [2]]
    assert [pocket.rank for pocket in found] == [1, 2, 3]
    assert np.allclose([pocket.score for pocket in found], [80 * 0.81, 80 * 0.25, 80 * 0.0025])
    assert np.allclose(found[0].centre, blobs[1].mean(0))
    assert len(densest_pockets(likely(points, 0.1), radius=8.0, fewest=1)) == 2
    assert len(densest_pockets(points, radius=8.0, fewest=1, most=1)) == 1
    assert not densest_pockets(points, radius=8.0, fewest=2)


def test_a_long_cavity_is_several_spheres():
    position = np.stack([np.arange(31.0), np.zeros(31), np.zeros(31)], axis=1)
    touching = np.stack([np.arange(31), np.arange(31)], axis=1)
    points = SitePoints(position, np.ones(31), np.ones(31), touching)
    found = densest_pockets(points, radius=5.0, fewest=1)
    held = np.concatenate([pocket.residues for pocket in found])
    assert sorted(held.tolist()) == list(range(31))  # every point once
    assert len(found) >= 3 and all(np.ptp(pocket.residues) <= 10 for pocket in found)
    assert len(ranked_pockets(points, link=1.5, fewest=1)) == 1


def test_points_of_cavities_have_the_mean_of_what_is_near(receptor):
    from scipy.spatial.distance import cdist

    probability = np.random.default_rng(0).random(len(receptor)).astype(np.float32)
    points = points_of_cavities(receptor, probability)
    assert len(points.position) > 100
    for number in (0, 17, len(points.position) - 1):
        near = np.unique(receptor.residue_of[cdist(points.position[[number]], receptor.position)[0] <= 6.0])
        assert np.isclose(points.weight[number], probability[near].mean())
    kept = likely(points, 0.5)
    assert len(kept.position) == (points.weight >= 0.5).sum()
    assert kept.touching[:, 0].max() < len(kept.position)


def test_known_residues_lead_to_the_ligand_through_the_cavities(receptor):
    from scipy.spatial.distance import cdist

    ligand = receptor.hetero.position[receptor.hetero.residue_name == "ZMA"]
    lining = np.unique(receptor.residue_of[cdist(receptor.position, ligand).min(1) < 4])
    probability = np.full(len(receptor), 0.02)
    probability[lining] = 0.9
    first = densest_pockets(points_of_cavities(receptor, probability), radius=6.0, fewest=3)[0]
    assert np.linalg.norm(ligand - first.centre, axis=1).min() < 4


def test_a_pocket_lies_where_its_residues_are(receptor):
    """The residues around the ligand, told to the task, give a first pocket at the ligand."""
    ligand = receptor.hetero.position[receptor.hetero.residue_name == "ZMA"]
    apart = np.linalg.norm(receptor.position[:, None] - ligand[None], axis=-1).min(1)
    near = np.isin(np.arange(len(receptor)), receptor.residue_of[apart < 4])
    result = BindingSites()(Fixed(np.where(near, 3.0, -5.0)), receptor)
    best = result.pockets[0]
    assert set(best.residues) <= set(np.flatnonzero(near))
    assert np.linalg.norm(ligand - best.centre, axis=1).min() < 4
    named = result.pocket_table["residues"][0].split()
    assert named[0] == f"A:{receptor.residue_label(best.residues[0])}"


def test_the_shipped_model_says_how_likely_its_pockets_are(receptor):
    """In the table and on the page, falling with the score; the first pocket, at the ligand, is likely."""
    result = BindingSites()(load("plait-sites"), receptor)
    probability = result.pocket_table["probability"].to_numpy()
    assert probability[0] > 0.5 > probability[-1] > 0
    assert (np.diff(probability) <= 0).all()
    assert np.allclose([one["probability"] for one in sites_page_data(result)["pockets"]], probability, atol=1e-4)
    assert "complexes kept out of training" in result.meaning


def test_pockets_by_geometry_have_no_probability(receptor):
    result = BindingSites()(GEOMETRIC, receptor)
    assert len(result.pocket_table) and result.pocket_table["probability"].isna().all()
    assert {one["probability"] for one in sites_page_data(result)["pockets"]} == {None}
    assert "complexes kept out of training" not in result.meaning


def test_points_carry_the_probability_of_their_residue(receptor):
    probability = np.random.default_rng(0).random(len(receptor))
    points = points_of_residues(receptor, probability, 0.9)
    assert points.weight.min() >= 0.9
    assert np.array_equal(points.weight, probability[points.touching[:, 1]])


@pytest.mark.parametrize("kind", ["network", "geometry"])
def test_ligands_do_not_matter(kind, model, receptor):
    which = model if kind == "network" else GEOMETRIC
    with_ligands, without = (BindingSites()(which, one) for one in (receptor, receptor.replace(hetero=Hetero.empty())))
    assert len(receptor.hetero)
    assert np.array_equal(with_ligands.probability, without.probability)
    assert with_ligands.pocket_table.equals(without.pocket_table)
    fixed = Fixed(np.zeros(len(receptor)))
    BindingSites()(fixed, receptor)
    assert len(fixed.seen[0].hetero) == 0


def test_chains_together_or_apart(model, structures):
    protein = read_structure(structures / "2d7t.pdb.gz")
    together = BindingSites()(model, protein).probability
    apart = BindingSites(BindingSites.Config(together=False))(model, protein).probability
    alone = BindingSites()(model, protein.select_chain(protein.chains[1])).probability
    second = protein.chain == protein.chains[1]
    assert np.allclose(apart[second], alone, atol=1e-6)
    assert not np.allclose(apart[second], together[second], atol=1e-6)


def test_a_turned_structure_has_turned_pockets(model, receptor):
    """Points on spheres do not turn with the structure: centres move by less than the points' distance, 1.3."""
    from scipy.spatial.transform import Rotation

    turn, move = Rotation.random(random_state=1).as_matrix(), np.array([10.0, -20, 30])
    turned = receptor.with_positions(receptor.position @ turn.T + move)
    threshold = float(np.quantile(BindingSites()(model, receptor).probability, 0.9))
    settings = predicting.SiteSettings(pocket_threshold=threshold)
    before, after = (predicting.find(model, one, settings) for one in (receptor, turned))
    assert np.allclose(before.probability, after.probability, atol=1e-4)
    assert before.pockets
    for one in before.pockets[:3]:
        centre = turn @ one.centre + move
        assert min(np.linalg.norm(centre - other.centre) for other in after.pockets) < 1.3


def test_settings_come_from_the_card(model, tmp_path):
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    assert predicting.SiteSettings.of(again) == predicting.SiteSettings(threshold=0.4, pocket_threshold=0.3)
    with pytest.raises(InputError, match="treshold"):
        predicting.SiteSettings.of(model_of({"binding_site": 1}, {"binding_sites": {"treshold": 0.1}}))


def test_the_same_after_save_and_load(model, receptor, tmp_path):
    save(model, tmp_path / "model")
    again = sites(receptor, model=tmp_path / "model")
    assert np.array_equal(again.probability, BindingSites()(model, receptor).probability)
    assert again.model.digest


def test_a_model_without_the_head_is_refused(receptor):
    with pytest.raises(InputError, match="no head for binding sites"):
        sites(receptor, model=model_of({"residue_type": 20}))
    with pytest.raises(InputError, match="no head for binding sites"):
        BindingSites()(model_of({"residue_type": 20}), receptor)


def test_without_a_bundled_model_it_says_which_is_needed(receptor, monkeypatch):
    monkeypatch.setattr(predicting, "bundled", dict)
    with pytest.raises(InputError, match=r"plait-sites.*--model"):
        sites(receptor)


@pytest.mark.parametrize("kind", ["network", "geometry"])
def test_odd_structures(kind, model, structures, receptor):
    which = model if kind == "network" else GEOMETRIC
    whole = read_structure(structures / "1ubi.pdb")
    odd = {
        "backbone": Protein.from_backbone(whole.sequence, whole.backbone),
        "one residue": whole.select(np.arange(76) == 20),
        "C-alpha": read_structure(structures / "1ubi_ca.pdb"),
        "far apart": Protein.from_backbone("GG", np.stack([whole.backbone[3], whole.backbone[3] + 90])),
        "one place": whole.with_positions(np.where(whole.residue_of[:, None] < 2, 1.0, whole.position)),
        "no C-alpha": whole.select(np.arange(76) < 9).replace(
            **{n: getattr(whole, n)[(whole.residue_of < 9) & (whole.atom_name != "CA")]
               for n in ("position", "atom_name", "element", "residue_of")}
        ),
    }  # fmt: skip
    for name, protein in odd.items():
        result = BindingSites()(which, protein)
        assert np.isfinite(result.probability).all(), name
        assert len(result.table) == len(protein), name
    bare = BindingSites()(which, odd["C-alpha"])
    assert any("residues have no N, CA or C" in remark.text for remark in bare.remarks)
    assert any(remark.kind == "no side chains" for remark in bare.remarks)


def test_geometry_finds_the_ligand_of_a_receptor(receptor):
    result = sites(receptor, model="geometry")
    ligand = receptor.hetero.position[receptor.hetero.residue_name == "ZMA"]
    nearest = [np.linalg.norm(ligand - one.centre, axis=1).min() for one in result.pockets[:3]]
    assert min(nearest) < 4
    assert "no probability" in result.meaning


# -- atoms


class FixedAtoms(Fixed):
    """Logits of the atoms are given too, or alone; of one class or of two."""

    def __init__(self, atoms, logit=None, left_out=None):
        super().__init__([] if logit is None else logit)
        self.atoms, self.alone, self.left_out = np.asarray(atoms), logit is None, left_out
        self.network = network({"binding_site": 1})

    def outputs(self, protein):
        atoms = self.atoms[: len(protein.position)]
        found = {"atom_binding_site": atoms if atoms.ndim == 2 else atoms[:, None]}
        if self.left_out is not None:
            found["atom_is_node"] = ~self.left_out
        return found if self.alone else {**found, **super().outputs(protein)}


def test_atoms_in_a_table_on_request(receptor):
    logit = np.linspace(-4, 4, len(receptor.position))
    model = FixedAtoms(logit, np.zeros(len(receptor)))
    assert BindingSites()(model, receptor).atom_table is None
    result = BindingSites(BindingSites.Config(atoms=True))(model, receptor)
    table = result.atom_table
    assert tuple(table.columns) == ATOM_COLUMNS
    assert np.allclose(table["probability"], 1 / (1 + np.exp(-logit)), atol=1e-6)
    assert table["atom"].tolist() == receptor.atom_name.tolist()
    assert table["author_number"].tolist() == [receptor.residue_label(i) for i in receptor.residue_of]
    assert (result.probability == 0.5).all()  # that of the residues' own head


def test_without_a_head_for_atoms_they_have_that_of_their_residue_and_it_is_said(receptor):
    logit = np.linspace(-3, 3, len(receptor))
    result = BindingSites(BindingSites.Config(atoms=True))(Fixed(logit), receptor)
    assert np.array_equal(result.atom_table["probability"], result.probability[receptor.residue_of])
    assert "atoms as their residue" in {remark.kind for remark in result.remarks}


def test_a_residue_of_a_head_for_atoms_alone_is_its_c_alpha(receptor):
    """Two classes, and atoms that the network leaves out, as in the published form."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(len(receptor.position), 2))
    left_out = receptor.residue_of == 7
    result = BindingSites(BindingSites.Config(atoms=True))(FixedAtoms(logits, left_out=left_out), receptor)
    expected = np.exp(logits[:, 1]) / np.exp(logits).sum(1)
    assert np.allclose(result.atom_table["probability"][~left_out], expected[~left_out], atol=1e-6)
    assert result.atom_table["probability"][left_out].isna().all()
    alphas = np.flatnonzero(receptor.atom_name == "CA")
    assert np.allclose(np.delete(result.probability, 7), np.delete(expected[alphas], 7), atol=1e-6)
    assert np.isnan(result.probability[7])
    assert any("have no answer" in remark.text for remark in result.remarks)


def test_atoms_of_chains_apart(structures):
    torch.manual_seed(0)
    config = VabsnetConfig(layers=1, width=16, feed_forward=16, heads=2, edge_width=8, kernels=8)
    heads = {"binding_site": 1, "atom_binding_site": 1}
    model = Model("tiny", EncoderWithHeads(VabsnetEncoder(config), heads), None, Scoring(), {})
    protein = read_structure(structures / "2d7t.pdb.gz")
    apart = predicting.find(model, protein, predicting.SiteSettings(), together=False).atoms
    for chain in protein.chains:
        own = (protein.chain == chain)[protein.residue_of]
        alone = predicting.find(model, protein.select_chain(chain), predicting.SiteSettings()).atoms
        assert np.allclose(apart[own], alone, atol=1e-6)
    assert not np.allclose(apart, predicting.find(model, protein, predicting.SiteSettings()).atoms, atol=1e-6)
