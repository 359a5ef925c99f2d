"""The model that ships does what its card and the results page say."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from plait.models.catalogue import DEFAULT, WEIGHTS, bundled
from plait.models.loading import load
from plait.structure import read_structure
from plait.structure.vocabulary import RESIDUES

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "mutation_effects" / "spearman.csv"


STRICT = "plait-braid-strict"


@pytest.mark.parametrize("name", [DEFAULT, STRICT])
def test_it_says_what_it_is(name):
    card = load(name).card
    assert ("strict" in card["trained_on"]) == (name == STRICT)
    assert card["licence"] == "Apache-2.0"
    assert (bundled()[name] / "README.md").is_file()


def test_all_models_together_are_small():
    # 40 MB is what a wheel may weigh
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*") if file.is_file()) < 40e6


@pytest.mark.parametrize(
    ("model", "assay"),
    [
        (DEFAULT, "BLAT_ECOLX_Jacquier_2013"),
        (DEFAULT, "TPMT_HUMAN_Matreyek_2018"),
        (STRICT, "BLAT_ECOLX_Jacquier_2013"),
    ],
)
def test_stated_correlations_come_out_again(shared, model, assay):
    """Spearman correlations of the committed table, computed here by another way than the benchmark's: through the
    table of `plait.score`."""
    import plait

    data = shared / "data" / "dms"
    with RESULTS.open() as file:
        stated = {row["DMS_id"]: float(row[model]) for row in csv.DictReader(file)}
    reference = pd.read_csv(data / "reference.csv").set_index("DMS_id")
    table = plait.score(data / "structures" / reference.loc[assay, "structure"], model=model).table.set_index("mutant")
    measured = pd.read_csv(data / "assays" / f"{assay}.csv").set_index("mutant")["DMS_score"]
    correlation = spearmanr(table.loc[measured.index, "plait_score"], measured).statistic
    assert abs(correlation - stated[assay]) < 0.005


def test_hydrophobic_cores_come_out_sensitive(structures):
    """By hand: in ubiquitin, the core residues V26, I30 and L43 tolerate less than K63 and the tail, G75 and G76."""
    protein = read_structure(structures / "1ubi.pdb")
    scores = load().score_matrix(protein)
    sensitivity = -np.nanmean(np.where(np.eye(21, 20)[protein.residue_type] > 0, np.nan, scores), axis=1)
    assert RESIDUES[protein.residue_type[25]] == "V"
    assert min(sensitivity[[25, 29, 42]]) > 2 * max(sensitivity[[62, 74, 75]])
