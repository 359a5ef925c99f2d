"""Corpus chains by name, whatever their split: for sets that label them with splits of their own."""

from plait.data.corpus import Corpus, CorpusConfig


def corpus_chains(folder: str) -> dict[str, tuple[Corpus, int]]:
    """The corpus and the place in it of each chain."""
    chains = {}
    for split in ("train", "valid", "test"):
        corpus = Corpus(CorpusConfig(folder=folder, split=split, exclude="nothing"))
        chains |= {name: (corpus, index) for index, name in enumerate(corpus.ids)}
    return chains
