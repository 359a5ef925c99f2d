"""The published vocabularies, sizes and names of tensors (specs/siamdiff.md, sections 1, 3 and 9.13)."""

import dataclasses

import numpy as np
import torch
from torch import nn

from plait.encoders.gearnet.configuration import PUBLISHED_ELEMENTS, GearNetConfig, GearNetEdgeConfig
from plait.errors import InputError
from plait.structure.vocabulary import ELEMENTS, RESIDUES, UNKNOWN

PUBLISHED_RESIDUES = "GASPVTCILNDQKEMHFRYW"
"""Residue types in the published order; an unknown one has the column after them, and as the end of an edge the type
of glycine."""

ATOMIC_NUMBERS = {
    "H": 1, "B": 5, "C": 6, "N": 7, "O": 8, "F": 9, "NA": 11, "MG": 12, "SI": 14, "P": 15, "S": 16, "CL": 17, "K": 19,
    "CA": 20, "MN": 25, "FE": 26, "CO": 27, "NI": 28, "CU": 29, "ZN": 30, "SE": 34, "BR": 35, "MO": 42, "CD": 48,
    "I": 53, "HG": 80,
}  # fmt: skip

RESIDUE_COLUMN = np.array([PUBLISHED_RESIDUES.find(letter) for letter in RESIDUES], np.int64)
RESIDUE_COLUMN[UNKNOWN] = len(PUBLISHED_RESIDUES)
"""int64 [21]: column of each of our residue types in a published node feature."""

EDGE_TYPE = np.where(np.arange(len(RESIDUES)) == UNKNOWN, 0, RESIDUE_COLUMN)
"""int64 [21]: published type at an end of an edge of each of our residue types."""

ELEMENT_COLUMN = np.array([ATOMIC_NUMBERS.get(name, 0) for name in ELEMENTS], np.int64)
ELEMENT_COLUMN[(ELEMENT_COLUMN == 0) | (ELEMENT_COLUMN >= PUBLISHED_ELEMENTS)] = -1
"""int64 [27]: column of each of our elements in a published node feature of the pre-trained models (the atomic
number); -1 for those whose atoms are left out."""

_PUBLISHED = {"neighbour_limit": 32, "compat": True}
PUBLISHED = {
    "gearnet": GearNetConfig(hidden=(512,) * 6, readout="sum", **_PUBLISHED),
    "gearnet-edge": GearNetEdgeConfig(hidden=(512,) * 6, readout="sum", **_PUBLISHED),
    "gearnet-edge-atom": GearNetEdgeConfig(level="atom", hidden=(128,) * 6, readout="mean", **_PUBLISHED),
}
"""The configurations that weights were published for."""

HEADS = ("struct_mlp", "dist_mlp", "seq_mlp", "alphas")
"""First part of the names of what a first-stage checkpoint holds besides the encoder."""


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


def encoder_tensors(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The encoder's tensors of a checkpoint, saved as the model alone or (first stage) as the whole task with heads
    beside it."""
    if not any(name.startswith("model.") for name in tensors):
        return dict(tensors)
    other = [name for name in tensors if not name.startswith("model.") and name.split(".")[0] not in HEADS]
    if other:
        raise InputError("this tensor belongs neither to the encoder nor to its heads", got=other[0])
    return {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}


def load_state(model: nn.Module, tensors: dict[str, torch.Tensor], *, file=None) -> None:
    """Put tensors by published name into a `GearNet`: all of them, and none left over.

    Raises
    ------
    InputError
        Naming a tensor that is missing, unexpected or of the wrong shape.
    """
    own = model.state_dict()
    for what, names in (
        ("a tensor is missing", own.keys() - tensors.keys()),
        ("a tensor is not one of this GearNet's", tensors.keys() - own.keys()),
    ):
        if names:
            names = sorted(names)
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(what, file=file, got=names[0] + more, do="Is it of the same layers, level and angles?")
    for name, tensor in own.items():
        if tensor.shape != tensors[name].shape:
            raise InputError(
                f"tensor {name} has the wrong shape",
                file=file,
                got=tuple(tensors[name].shape),
                expected=tuple(tensor.shape),
            )
    model.load_state_dict(tensors)
