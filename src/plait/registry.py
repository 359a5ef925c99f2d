"""The one register of parts: tokenizers, encoders, objectives, tasks and data sets.

A part is a class in its kind's package that is decorated with `register(kind)`; to add one is to add a file.
The command line, the recipes, the reference pages and the promise tests read the register, and nothing else holds
a list of names.
"""

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable

from plait.errors import unknown_name

PACKAGES = {
    "tokenizer": "plait.tokenizers",
    "encoder": "plait.encoders",
    "objective": "plait.objectives",
    "task": "plait.tasks",
    "dataset": "plait.data",
}

_parts: dict[str, dict[str, type]] = {kind: {} for kind in PACKAGES}
_discovered: set[str] = set()


@dataclasses.dataclass(frozen=True)
class Reference:
    """What to cite for a part, and where in it the part is described."""

    authors: str
    title: str
    venue: str
    year: int
    doi: str = ""
    where: str = ""

    def at(self, where: str) -> "Reference":
        """The same publication, at another place in it."""
        return dataclasses.replace(self, where=where)

    def __str__(self) -> str:
        parts = [f"{self.authors} ({self.year}). {self.title}. {self.venue}"]
        if self.where:
            parts.append(self.where)
        if self.doi:
            parts.append(f"doi:{self.doi}")
        return ". ".join(parts)


def register(kind: str) -> Callable[[type], type]:
    """Class decorator that enters a part in the register.

    The class carries `name`, `summary` (one line), `reference` (a `Reference`) and `Config` (a dataclass whose
    fields are documented); `exempt` maps the name of a promise that it cannot keep to the reason.
    """

    def enter(cls: type) -> type:
        for attribute in ("name", "summary", "reference", "Config"):
            if not hasattr(cls, attribute):
                raise TypeError(f"{cls.__qualname__} is registered as {kind} without {attribute!r}")
        if not dataclasses.is_dataclass(cls.Config):
            raise TypeError(f"{cls.__qualname__}.Config is not a dataclass")
        known = _parts[kind].setdefault(cls.name, cls)
        if known is not cls and known.__qualname__ != cls.__qualname__:
            raise TypeError(f"two {kind}s are called {cls.name!r}: {known} and {cls}")
        cls.kind = kind
        if not hasattr(cls, "exempt"):
            cls.exempt = {}
        return cls

    return enter


def discover(kind: str) -> None:
    """Import every module of a kind's package, so that its parts are registered."""
    if kind in _discovered:
        return
    package = importlib.import_module(PACKAGES[kind])
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{PACKAGES[kind]}.{module.name}")
    _discovered.add(kind)


def parts(kind: str) -> dict[str, type]:
    """All parts of a kind by name, sorted."""
    discover(kind)
    return dict(sorted(_parts[kind].items()))


def get(kind: str, name: str) -> type:
    """The part of this kind and name.

    A module that bears the part's name ("dssp", "masked_lm" for masked-lm) is looked into before all are imported.

    Raises
    ------
    InputError
        If there is none; the closest name is suggested.
    """
    if name not in _parts[kind]:
        _import_namesake(kind, name)
    if name not in _parts[kind]:
        discover(kind)
    if name not in _parts[kind]:
        raise unknown_name(kind, name, _parts[kind])
    return _parts[kind][name]


def _import_namesake(kind: str, name: str) -> None:
    module = name.replace("-", "_")
    if module in {found.name for found in pkgutil.iter_modules(importlib.import_module(PACKAGES[kind]).__path__)}:
        importlib.import_module(f"{PACKAGES[kind]}.{module}")
