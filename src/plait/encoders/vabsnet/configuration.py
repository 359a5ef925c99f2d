"""`VabsnetConfig`: named sizes, and one switch between our features and the published ones."""

import dataclasses
from typing import Literal

from plait.config import option
from plait.errors import InputError, unknown_name

SIZES = {
    "small": {
        "layers": 4, "width": 128, "feed_forward": 256, "heads": 8, "edge_width": 32, "kernels": 32,
        "residue_neighbours": 20, "atom_neighbours": 12,
    },
    "base": {
        "layers": 8, "width": 384, "feed_forward": 768, "heads": 24, "edge_width": 64, "kernels": 64,
        "residue_neighbours": 24, "atom_neighbours": 16,
    },
    "published": {
        "layers": 12, "width": 768, "feed_forward": 768, "heads": 48, "edge_width": 128, "kernels": 128,
        "residue_neighbours": 15, "atom_neighbours": 15,
    },
}  # fmt: skip
"""What a size stands for. The published one is that of pre-training; for binding sites it had 30 neighbours."""

BY_COMPAT = {
    "absolute_directions": (False, True),
    "special_directions": ("frame", "axes"),
    "frequencies": (6, 10),
    "third_angle": ("like the others", "published"),
    "virtual_points": (0, 3),
    "kernel_stop": (20.0, 9.0),
    "kernel_factor": (0.5, 1.0),
    "absent_backbone": ("no frame", "centre"),
    "last_frame": ("own", "none"),
    "position_projections": ("shared", "separate"),
}
"""Fields that `compat` decides unless they are given: ours, and as published (specs/vabsnet.md, section 9)."""


def _size(text: str) -> int | None:
    return option(None, f"{text}; that of the size if not given")


def _switch(text: str, name: str):
    ours, published = BY_COMPAT[name]
    return option(None, f"{text}; if not given {ours}, with compat {published}")


@dataclasses.dataclass(frozen=True)
class VabsnetConfig:
    """Size and kind of a Vabs-Net. Fields left out are filled in from `size` and `compat`."""

    size: Literal["small", "base", "published"] = option("small", "named dimensions")
    compat: bool = option(False, "features, initial weights and heads as in the published program")
    layers: int | None = _size("layers, each with an atom track and a residue track")
    width: int | None = _size("width of the nodes' vectors")
    feed_forward: int | None = _size("width inside the feed-forward branches, a multiple of `width`")
    heads: int | None = _size("attention heads")
    edge_width: int | None = _size("width of the edges' vectors")
    kernels: int | None = _size("Gaussians of a distance")
    residue_neighbours: int | None = _size("nearest residues that a residue attends to, itself among them")
    atom_neighbours: int | None = _size("nearest atoms that an atom attends to, itself among them")
    language_width: int = option(0, "values per residue of a language model's features; 0 without")
    residue_only: bool = option(False, "leave out the atom track")
    norm: Literal["post", "pre"] = option("post", "normalise after each branch, or inside it")
    attention_dropout: float = option(0.1, "dropout of attention weights, in training")
    activation_dropout: float = option(0.1, "dropout inside the feed-forward branches, in training")
    drop_path: float = option(0.1, "share of nodes that skip a branch of the last layer, in training; 0 in the first")
    relative_directions: bool = option(True, "directions to neighbours in the frame of the receiving residue")
    sinusoidal: bool = option(True, "directions as sines of many frequencies; false: of three angles alone")
    checkpointing: bool = option(False, "keep little in training and compute it again on the way back")
    absolute_directions: bool | None = _switch("directions in the common axes, which turn", "absolute_directions")
    special_directions: Literal["frame", "axes"] | None = _switch(
        "directions to the global node and virtual points on the residue track", "special_directions"
    )
    frequencies: int | None = _switch("sine frequencies of a direction's coordinates", "frequencies")
    third_angle: Literal["like the others", "published"] | None = _switch("third angle of a direction", "third_angle")
    virtual_points: int | None = _switch("nodes at the means of parts of the chain", "virtual_points")
    kernel_stop: float | None = _switch("centre of the last Gaussian", "kernel_stop")
    kernel_factor: float | None = _switch("initial factor of a distance for each of its ends", "kernel_factor")
    absent_backbone: Literal["no frame", "centre"] | None = _switch(
        "frame of a residue without N or C: none, or as if they lay at the origin", "absent_backbone"
    )
    last_frame: Literal["own", "none"] | None = _switch(
        "frame of the chain's last residue on the residue track", "last_frame"
    )
    position_projections: Literal["shared", "separate"] | None = _switch(
        "one vector for the three axes of the position head, or one for each", "position_projections"
    )

    def __post_init__(self):
        if self.size not in SIZES:
            raise unknown_name("size of vabsnet", self.size, SIZES)
        filled = dict(SIZES[self.size])
        filled |= {name: pair[bool(self.compat)] for name, pair in BY_COMPAT.items()}
        for name, value in filled.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        self._check()

    def _check(self):
        for name in ("layers", "width", "feed_forward", "heads", "edge_width"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} of vabsnet is too small", got=getattr(self, name), expected="1 or more")
        if self.kernels < 2:
            raise InputError("kernels of vabsnet are too few", got=self.kernels, expected="2 or more")
        for large, small in (("width", "heads"), ("feed_forward", "width")):
            if getattr(self, large) % getattr(self, small):
                raise InputError(
                    f"{large} of vabsnet is not a multiple of {small}",
                    got=f"{getattr(self, large)} and {getattr(self, small)}",
                    do="The published program drops the remainder without a word." if large == "feed_forward" else None,
                )
        for name in ("residue_neighbours", "atom_neighbours"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} of vabsnet is too small", got=getattr(self, name), expected="1 or more")

    @property
    def direction_kinds(self) -> int:
        """Directions that an edge has: absolute, relative, both or none."""
        return int(self.absolute_directions) + int(self.relative_directions)

    @property
    def special_nodes(self) -> int:
        """Nodes of a protein that are no residue: the global one and the virtual points."""
        return 1 + self.virtual_points

    @property
    def final(self) -> str:
        """Initial weights of the layers that close a residual branch."""
        return "zero" if self.compat else "final"
