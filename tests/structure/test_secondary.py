"""Secondary structure: as published DSSP assignments have it, and sound where backbones are not."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from plait.structure import Protein, read_structure
from plait.structure.secondary import STATES, letters, secondary_structure

PUBLISHED = {
    name: entry
    for name, entry in json.loads((Path(__file__).parent / "data" / "dssp.json").read_text()).items()
    if name != "note"
}

ALPHAFOLD_NAMES = {
    "HELX_LH_PP_P": "C",  # polyproline helix, a ninth state of DSSP 4, is not among the eight
    "BEND": "S",
    "TURN_TY1_P": "T",
    "HELX_RH_AL_P": "H",
    "HELX_RH_3T_P": "G",
    "HELX_RH_PI_P": "I",
    "STRN": "E",
}


@pytest.fixture(scope="module")
def predicted(structures):
    """An AlphaFold model of 837 residues, and the states that its file gives (by DSSP 4, E and B under one name)."""
    import gemmi

    file = structures / "AF-Q5VSL9-F1-model_v4.cif.gz"
    protein = read_structure(file)
    states = np.full(len(protein), "C")
    columns = ["conf_type_id", "beg_label_seq_id", "end_label_seq_id"]
    for kind, first, last in gemmi.cif.read(str(file))[0].find("_struct_conf.", columns):
        states[int(first) - 1 : int(last)] = ALPHAFOLD_NAMES[kind]
    return protein, "".join(states)


@pytest.mark.parametrize("prefer_pi", [True, False])
@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_states_are_those_that_dssp_published(structures, name, prefer_pi):
    protein = read_structure(structures / name)
    assert letters(secondary_structure(protein, prefer_pi=prefer_pi)) == PUBLISHED[name]["states"]


def test_states_are_those_in_the_file_of_a_predicted_model(predicted):
    protein, published = predicted
    assert letters(secondary_structure(protein)).replace("B", "E") == published


def test_pi_helices_come_first_only_on_request(predicted):
    protein, published = predicted
    assert published.count("I") == 6
    by_paper = letters(secondary_structure(protein, prefer_pi=False))
    assert by_paper.count("I") == 0
    differs = [index for index, pair in enumerate(zip(by_paper.replace("B", "E"), published)) if len(set(pair)) > 1]
    assert differs == [index for index, state in enumerate(published) if state == "I"]


def test_bridges_between_chains_count_unless_chains_are_seen_alone(structures):
    protein = read_structure(structures / "1hvr.pdb.gz")  # the dimer is held by a sheet of both termini
    together = secondary_structure(protein)
    apart = secondary_structure(protein, between_chains=False)
    one_by_one = np.concatenate([secondary_structure(protein.select_chain(chain)) for chain in protein.chains])
    assert np.array_equal(apart, one_by_one)
    lost = np.flatnonzero(together != apart)
    assert set(protein.author_number[lost]) <= {1, 2, 3, 4, 95, 96, 97, 98, 99}
    assert (together[lost] == STATES.index("E")).any()


def test_residues_without_backbone_have_no_state_and_break_the_chain(structures):
    protein = read_structure(structures / "1ubi.pdb")
    whole = secondary_structure(protein)
    keep = (protein.residue_of != 29) | (protein.atom_name != "CA")
    damaged = protein.replace(
        **{field: getattr(protein, field)[keep] for field in ("position", "atom_name", "element", "residue_of")}
    )
    states = secondary_structure(damaged)
    assert states[29] == -1
    assert (np.delete(states, 29) >= 0).all()
    assert whole[29] == STATES.index("H")
    far = np.abs(np.arange(76) - 29) > 5
    assert np.array_equal(states[far], whole[far])


def test_missing_oxygens_are_placed(structures):
    """The plane of the peptide fixes O to about 0.1 angstrom, so nearly all states stay."""
    protein = read_structure(structures / "3enl.pdb.gz")
    without = Protein.from_backbone(protein.sequence, protein.backbone[:, :3])
    states, whole = secondary_structure(without), secondary_structure(protein)
    assert (states >= 0).all()
    assert (states == whole).mean() > 0.97


def test_c_alpha_alone_has_no_state(structures):
    protein = read_structure(structures / "1ubi_ca.pdb")
    assert (secondary_structure(protein) == -1).all()
    assert letters(secondary_structure(protein)) == "X" * 76


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_short_chains_are_coil(structures, count):
    protein = read_structure(structures / "1ubi.pdb")
    few = protein.select(np.arange(76) < count)
    assert letters(secondary_structure(few)) == "C" * count


def test_two_thousand_residues_take_less_than_a_third_of_a_second(structures):
    protein = read_structure(structures / "3wip.cif.gz")
    assert len(protein) > 1900
    secondary_structure(protein)  # imports scipy
    start = time.process_time()
    secondary_structure(protein)
    assert time.process_time() - start < 0.3  # measured 0.02 s
