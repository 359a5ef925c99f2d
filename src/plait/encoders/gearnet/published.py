"""The published sizes and names of tensors (specs/siamdiff.md, sections 3 and 9.13)."""

import dataclasses

import torch

from plait.encoders.gearnet.configuration import GearNetConfig, GearNetEdgeConfig
from plait.errors import InputError

_PUBLISHED = {"neighbour_limit": 32, "compat": True}
PUBLISHED = {
    "gearnet": GearNetConfig(hidden=(512,) * 6, readout="sum", **_PUBLISHED),
    "gearnet-edge": GearNetEdgeConfig(hidden=(512,) * 6, readout="sum", **_PUBLISHED),
    "gearnet-edge-atom": GearNetEdgeConfig(level="atom", hidden=(128,) * 6, readout="mean", **_PUBLISHED),
}
"""The configurations that weights were published for."""


def config_of(tensors: dict[str, torch.Tensor], *, file=None) -> GearNetConfig:
    """The published configuration whose names and shapes these encoder tensors have, by the shapes alone: the
    published links to the atom and the residue model carry each other's file names.

    What shapes do not tell is as published: the short cut, and the readout (sum of residues, mean of atoms).

    Raises
    ------
    InputError
        If no GearNet has such tensors.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    loops = [shapes.get(f"layers.{number}.self_loop.weight") for number in range(len(shapes))]
    loops = loops[: loops.index(None)] if None in loops else loops
    first = shapes.get("edge_layers.0.self_loop.weight")
    for level in ("residue", "atom"):
        config = GearNetConfig(level=level, hidden=tuple(shape[0] for shape in loops) or (1,), **_PUBLISHED)
        config = dataclasses.replace(config, readout="sum" if level == "residue" else "mean")
        config = dataclasses.replace(config, batch_norm="batch_norms.0.weight" in shapes)
        if loops and loops[0][1] == config.node_input:
            if first is None:
                return config
            bins = shapes.get("edge_layers.0.linear.weight", (0, 0))[1] // first[1]
            if first[1] == config.edge_input and bins:
                return GearNetEdgeConfig(**dataclasses.asdict(config), angle_bins=bins)
    raise InputError(
        "these are not the tensors of a published GearNet",
        file=file,
        got=f"layers.0.self_loop.weight {loops[0] if loops else 'missing'}, edge_layers.0.self_loop.weight {first}",
        expected="21 columns (residues) or 39 (atoms), and none or 59 or 53",
    )
