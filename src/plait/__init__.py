"""plait: learning from 3D protein structures. The import is light; what is heavy is loaded at first use."""

import importlib

__version__ = "0.1.0"

_LAZY = {
    "score": ("plait.tasks.mutation_effects", "score"),
    "sites": ("plait.tasks.binding_sites", "sites"),
    "embed": ("plait.models.embedding", "embed"),
    "write": ("plait.reports.writing", "write"),
    "tokens": ("plait.tokenizers.tokens", "tokens"),
    "load": ("plait.models.loading", "load"),
    "read_structure": ("plait.structure.reading", "read_structure"),
    "Protein": ("plait.structure.protein", "Protein"),
}

__all__ = ["Protein", "__version__", "embed", "load", "read_structure", "score", "sites", "tokens", "write"]


def __getattr__(name: str):
    if name in _LAZY:
        module, attribute = _LAZY[name]
        return getattr(importlib.import_module(module), attribute)
    raise AttributeError(f"module 'plait' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_LAZY])
