"""DSSP tokens: the states of `plait.structure.secondary`, chain by chain."""

import numpy as np

from plait.structure import read_structure
from plait.structure.secondary import letters, secondary_structure
from plait.tokenizers.dssp import DSSPTokenizer


def test_tokens_are_the_states_of_each_chain_alone(structures):
    protein = read_structure(structures / "1hvr.pdb.gz")
    tokenizer = DSSPTokenizer.default()
    tokens = tokenizer(protein)
    for chain in protein.chains:
        alone = protein.select_chain(chain)
        assert tokenizer.letters(tokens[protein.chain == chain]) == letters(secondary_structure(alone))


def test_precedence_of_pi_helices_is_configured(structures):
    protein = read_structure(structures / "AF-Q5VSL9-F1-model_v4.pdb.gz")
    first, last = DSSPTokenizer(), DSSPTokenizer(DSSPTokenizer.Config(prefer_pi=False))
    assert first.letters(first(protein)).count("I") == 6
    assert last.letters(last(protein)).count("I") == 0


def test_unknown_is_written_x(structures):
    tokenizer = DSSPTokenizer()
    assert tokenizer.letters(np.array([0, 7, 8])) == "HCX"
