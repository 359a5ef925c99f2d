"""Structure tokenizers: a `Protein` becomes one integer per residue."""

import importlib

_LAZY = {
    "ChainGVPTokenizer": "gvp",
    "Codebook": "codebook",
    "DSSPTokenizer": "dssp",
    "GVPTokenizer": "gvp",
    "ThreeDiTokenizer": "threedi",
    "Tokenizer": "base",
    "load_tokenizer": "saving",
}

__all__ = [
    "ChainGVPTokenizer",
    "Codebook",
    "DSSPTokenizer",
    "GVPTokenizer",
    "ThreeDiTokenizer",
    "Tokenizer",
    "load_tokenizer",
]


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(importlib.import_module(f"plait.tokenizers.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'plait.tokenizers' has no attribute {name!r}")
