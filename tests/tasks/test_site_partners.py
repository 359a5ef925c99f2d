"""Sites by kind of partner: which column is read, what it is called, and what is refused."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

import plait.tasks.binding_sites.predicting as predicting
from plait.cli.main import main
from plait.data.base import Example
from plait.data.partners import GROUPS, KINDS
from plait.encoders.base import EncoderWithHeads
from plait.encoders.neighbourhood.configuration import NeighbourhoodConfig
from plait.encoders.neighbourhood.encoder import NeighbourhoodEncoder
from plait.errors import InputError
from plait.models.loading import save
from plait.models.model import Model
from plait.models.scoring import Scoring
from plait.reports.sites import sites_page_data, write_sites
from plait.structure import read_structure
from plait.structure.protein import Hetero
from plait.tasks.binding_sites import BindingSites, Config, sites
from plait.tasks.binding_sites.geometric import GEOMETRIC
from plait.tasks.binding_sites.partners import IN_WORDS, Partner, partner_names, partner_of
from plait.tasks.binding_sites.predicting import SiteSettings, load_site_model
from plait.tasks.site_metrics import auroc


def model_of(names, width=None, **card):
    torch.manual_seed(0)
    config = NeighbourhoodConfig(width=16, edge_width=8, layers=1, heads=2)
    network = EncoderWithHeads(NeighbourhoodEncoder(config), {"binding_site": width or max(1, len(names))})
    return Model("tiny", network, None, Scoring(), {**({"classes": {"binding_site": names}} if names else {}), **card})


@pytest.fixture(scope="module")
def ubiquitin(structures):
    return read_structure(structures / "1ubi.pdb")


@pytest.fixture(scope="module")
def model():
    card = {"binding_sites": {"threshold": 0.1}, "partners": {"zinc": {"threshold": 0.7}, "metal": {"threshold": 0.8}}}
    return model_of(["small-molecule", "calcium", "zinc"], **card)


def sigmoid(logit):
    return 1 / (1 + np.exp(-np.asarray(logit, np.float64)))


@pytest.mark.parametrize(("name", "columns"), [("", [0]), ("small-molecule", [0]), ("zinc", [2]), ("metal", [1, 2])])
def test_the_column_of_the_partner_is_read(model, ubiquitin, name, columns):
    found = BindingSites(Config(partner=name))(model, ubiquitin)
    expected = sigmoid(model.outputs(ubiquitin)["binding_site"][:, columns]).max(1)
    assert found.probability == pytest.approx(expected, abs=1e-6)
    assert found.table["probability"].to_numpy() == pytest.approx(expected, abs=1e-6)
    assert IN_WORDS[name or "small-molecule"] in found.meaning
    assert found.settings.threshold == {"zinc": 0.7, "metal": 0.8}.get(name, 0.1)


def test_a_partner_that_is_not_told_is_refused(model, ubiquitin):
    with pytest.raises(InputError, match=r"zink.*small-molecule, calcium, zinc, metal.*'zinc'"):
        sites(ubiquitin, model=model, partner="zink")
    for one in (model_of([]), GEOMETRIC):
        assert partner_names(one) == ()
        with pytest.raises(InputError, match="one kind of partner"):
            sites(ubiquitin, model=one, partner="zinc")


def test_a_model_of_one_column_says_what_it_said(ubiquitin):
    model = model_of([])
    found = sites(ubiquitin, model=model)
    assert "within 4 angstrom of a bound small molecule" in found.meaning
    assert found.partner == Partner()
    assert "partner" not in found.arguments
    assert SiteSettings.of(model, found.partner) == SiteSettings()


def test_names_that_do_not_fit_the_head_are_refused():
    for broken in (model_of(["a", "b"], width=3), model_of([1, 2]), model_of([], width=2)):
        with pytest.raises(InputError, match="names of partners"):
            partner_of(broken)


def test_every_kind_and_group_has_words():
    assert IN_WORDS.keys() == KINDS.keys() | GROUPS.keys()
    assert sorted(kind for kinds in GROUPS.values() for kind in kinds) == sorted(KINDS)


def test_metrics_are_means_over_proteins_then_kinds(ubiquitin):
    """Perfect for one kind, reversed for another, and nothing known of the rest."""
    label = np.full((76, len(KINDS)), np.nan, np.float32)
    label[:, 0] = np.arange(76) < 10
    label[:, 6] = np.arange(76) < 38
    logit = np.zeros((76, len(KINDS)))
    logit[:, 0] = -np.arange(76) / 10
    logit[:, 6] = np.arange(76) / 10
    examples = [Example("a", ubiquitin, {"binding_site": label})]
    found = BindingSites.evaluate(examples, [{"binding_site": logit}])
    assert found["auroc_small-molecule"] == 1
    assert found["auroc_zinc"] == 0
    assert found["auroc"] == 0.5
    assert found["auprc"] == pytest.approx((found["auprc_small-molecule"] + found["auprc_zinc"]) / 2)
    assert "auroc_dna" not in found


def test_thresholds_are_chosen_for_each_partner(ubiquitin):
    """Probabilities of zinc are told apart at 0.2, those of small molecules at 0.6."""
    model = model_of(["small-molecule", "zinc"])
    zinc, small = np.arange(76) % 7 == 0, np.arange(76) % 5 == 0
    probability = np.stack([np.where(small, 0.65, 0.55), np.where(zinc, 0.25, 0.15)], 1)
    model.outputs = lambda protein: {"binding_site": np.log(probability / (1 - probability))}
    label = np.stack([small, zinc], 1).astype(np.float32)
    unknown = np.full_like(label, np.nan)
    examples = [
        Example("a", ubiquitin, {"binding_site": np.stack([label[:, 0], unknown[:, 1]], 1)}),
        Example("b", ubiquitin, {"binding_site": np.stack([unknown[:, 0], label[:, 1]], 1)}),
    ]
    card = BindingSites.calibrate(model, examples)
    assert 0.55 < card["binding_sites"]["threshold"] <= 0.65
    assert 0.15 < card["partners"]["zinc"]["threshold"] <= 0.25
    assert card["partners"]["small-molecule"] == card["binding_sites"]


def test_the_page_and_the_record_name_the_partner(model, ubiquitin, tmp_path):
    result = sites(ubiquitin, model=model, partner="zinc")
    write_sites(result, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Binding sites of a zinc ion" in page
    assert "touches a zinc ion" in sites_page_data(result)["meaning"]
    assert '"partner": "zinc"' in (tmp_path / "out" / "run.json").read_text()


def test_on_the_command_line(model, structures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(model, tmp_path / "tiny")
    file = str(structures / "1ubi.pdb")
    assert main(["sites", file, "--model", "tiny", "--partner", "metal", "--out", "out"]) == 0
    assert "predicted to bind a metal ion" in capsys.readouterr().out
    assert main(["sites", file, "--model", "tiny", "--partner", "gold", "--out", "out"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_named_partner_without_a_model_takes_the_one_that_tells_them(monkeypatch):
    monkeypatch.setattr(predicting, "bundled", dict)
    with pytest.raises(InputError, match="plait-partners"):
        load_site_model(None, "zinc")
    with pytest.raises(InputError, match="plait-sites"):
        load_site_model(None)


def test_labels_of_a_group_are_those_of_its_kinds():
    label = np.array([[1, 0], [np.nan, 0], [np.nan, np.nan], [0, 1]], np.float32)
    assert np.array_equal(Partner("metal", (0, 1)).label(label), [1, 0, np.nan, 1], equal_nan=True)
    assert np.array_equal(Partner("one", (1,)).label(label), label[:, 1], equal_nan=True)
    assert dataclasses.asdict(Partner()) == {"name": "", "columns": (0,)}


def test_a_site_of_two_residues_may_be_a_pocket(ubiquitin):
    """Half of the calcium sites of the corpus have two residues in the labels; a surface of three is asked for only
    where sites are larger."""
    model = model_of(["small-molecule", "calcium"])
    model.outputs = lambda protein: {"binding_site": np.tile(np.linspace(-3, 3, 76)[:, None], 2)}
    for count, expected in ((2, 2), (1, 1), (9, 3)):
        label = np.full((76, 2), np.nan, np.float32)
        label[:, 1] = np.arange(76) >= 76 - count
        alone = ubiquitin.replace(hetero=Hetero.empty())
        card = BindingSites.calibrate(model, [Example("a", alone, {"binding_site": label})])
        assert card["partners"]["calcium"]["fewest"] == expected


def test_the_bundled_model_finds_where_dna_lies(structures):
    """lac repressor's head on its operator: residues within 4 angstrom of a nucleotide in the file, which the model is
    not shown."""
    protein = read_structure(structures / "1lcd.pdb.gz")
    nucleotides = protein.hetero.position[protein.hetero.kind == "nucleic"]
    near = cKDTree(nucleotides).query(protein.position)[0] < 4
    touching = np.bincount(protein.residue_of, near, len(protein)) > 0
    found = sites(protein, partner="dna")
    assert found.model.name == "plait-partners"
    assert auroc(found.probability, touching) > 0.85
    zinc = sites(protein, partner="zinc").probability
    assert auroc(found.probability, touching) > auroc(zinc, touching) + 0.1
    assert found.probability[touching].mean() > 0.3 > 10 * zinc.mean()
