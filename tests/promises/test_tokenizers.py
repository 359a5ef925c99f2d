"""What every registered tokenizer promises (architecture, rule 2), on the same real structures."""

import numpy as np
import pytest
import torch

from plait import registry
from plait.errors import InputError

TOKENIZERS = registry.parts("tokenizer")
SLOW = ("gapped", "large")
pytestmark = pytest.mark.parametrize("name", TOKENIZERS)


@pytest.fixture(scope="module")
def make(whole, two_chains):
    """A function: the tokenizer of a name, as it ships; where no weights ship, an encoder that a seed draws with a
    codebook fitted on real structures, so that the tokens of real structures differ."""
    made = {}

    def tokenizer(name):
        if name not in made:
            cls = TOKENIZERS[name]
            try:
                made[name] = cls.default()
            except InputError:
                made[name] = cls.fit(cls.random(0).encoder, [whole, two_chains], 20, seed=0)
        return made[name]

    return tokenizer


@pytest.fixture(scope="module")
def expected(make, proteins):
    """A function: tokens of each structure by the tokenizer of a name, made once."""
    known = {}

    def tokens(name):
        if name not in known:
            tokenizer = make(name)
            known[name] = {which: tokenizer(protein) for which, protein in proteins.items()}
        return known[name]

    return tokens


def assert_same(tokens, expected, which):
    differ = np.flatnonzero(tokens != expected)
    assert len(differ) == 0, f"{which}: {len(differ)} of {len(expected)} tokens differ, at {differ[:10]}"


def test_range(name, make, proteins, expected, keep):
    """One int64 per residue, from 0 to K; K itself means unknown."""

    def check():
        tokenizer = make(name)
        assert tokenizer.unknown == tokenizer.size > 0
        for which, tokens in expected(name).items():
            assert tokens.shape == (len(proteins[which]),), which
            assert tokens.dtype == np.int64, which
            assert ((tokens >= 0) & (tokens <= tokenizer.size)).all(), which

    keep(TOKENIZERS[name], "range", check)


def test_seen(name, make, proteins, expected, keep):
    """A residue without N, CA and C is unknown; of whole chains nearly all residues are known."""

    def check():
        tokenizer = make(name)
        for which, tokens in expected(name).items():
            assert (tokens[~proteins[which].has_backbone] == tokenizer.unknown).all(), which
        for which in ("whole", "gapped", "backbone only", "two chains", "large"):
            assert (expected(name)[which] != tokenizer.unknown).mean() > 0.95, which
            assert len(np.unique(expected(name)[which])) > 2, which

    keep(TOKENIZERS[name], "seen", check)


def test_rotation(name, make, proteins, expected, moved, keep):
    """The same tokens after any rotation and translation."""

    def check():
        for seed, (which, protein) in enumerate(proteins.items()):
            assert_same(make(name)(moved(protein, seed)), expected(name)[which], which)

    keep(TOKENIZERS[name], "rotation", check)


def test_threads(name, make, proteins, expected, keep):
    """The same tokens with one thread and with two."""

    def check():
        before = torch.get_num_threads()
        try:
            for threads in (1, 2):
                torch.set_num_threads(threads)
                for which in ("whole", "two chains"):
                    assert_same(make(name)(proteins[which]), expected(name)[which], f"{which}, {threads} threads")
        finally:
            torch.set_num_threads(before)

    keep(TOKENIZERS[name], "threads", check)


def test_batch(name, make, proteins, expected, keep):
    """The same tokens alone and in a batch, in another order."""

    def check():
        names = [which for which in reversed(proteins) if which not in SLOW]
        found = make(name).batch([proteins[which] for which in names])
        assert len(found) == len(names)
        for which, tokens in zip(names, found):
            assert_same(tokens, expected(name)[which], which)

    keep(TOKENIZERS[name], "batch", check)


def test_chains(name, make, proteins, expected, keep):
    """Chains are seen apart."""

    def check():
        both, tokens = proteins["two chains"], expected(name)["two chains"]
        for chain in both.chains:
            assert_same(make(name)(both.select_chain(chain)), tokens[both.chain == chain], f"chain {chain}")

    keep(TOKENIZERS[name], "chains", check)


def test_saving(name, make, proteins, expected, keep, tmp_path):
    """The same tokens after save and load."""

    def check():
        make(name).save(tmp_path / "kept")
        again = type(make(name)).load(tmp_path / "kept")
        assert again.size == make(name).size
        for which in ("whole", "one residue", "C-alpha only", "two chains"):
            assert_same(again(proteins[which]), expected(name)[which], which)

    keep(TOKENIZERS[name], "saving", check)


@pytest.mark.parametrize(
    "atoms, lost", [(("N",), 0), (("CA",), 195), (("N", "CA", "C", "O"), 389)], ids=["N", "CA", "all"]
)
def test_missing_backbone(name, atoms, lost, make, proteins, expected, without_atoms, keep):
    """A residue that loses backbone atoms is unknown, and residues out of the tokenizer's reach stay as they were."""

    def check():
        tokenizer, protein, before = make(name), proteins["gapped"], expected(name)["gapped"]
        tokens = tokenizer(without_atoms(protein, [lost], atoms))
        assert tokens[lost] == tokenizer.unknown
        far = np.linalg.norm(protein.c_alpha - protein.c_alpha[lost], axis=1) > tokenizer.reach
        assert far.any()
        assert_same(tokens[far], before[far], f"without {atoms} in residue {lost}")
        both, before = proteins["two chains"], expected(name)["two chains"]
        first = both.chain == both.chains[0]
        tokens = tokenizer(without_atoms(both, [50, 51, 52], atoms))
        assert (tokens[50:53] == tokenizer.unknown).all()
        assert_same(tokens[~first], before[~first], "the other chain")

    keep(TOKENIZERS[name], "missing backbone", check)


def test_nothing_to_see(name, make, whole, keep):
    """No residues, no tokens."""

    def check():
        assert make(name)(whole.select(np.zeros(len(whole), bool))).shape == (0,)

    keep(TOKENIZERS[name], "nothing to see", check)
