"""The published network and the names of its tensors (specs/siamdiff.md, section 4)."""

import torch
from torch import nn

from plait.encoders.blocks.loading import load_exactly
from plait.encoders.gvp.configuration import GvpConfig
from plait.errors import InputError

PUBLISHED = GvpConfig(level="atom", neighbour_limit=32, vocabulary="atom3d")
"""The network of the Atom3D recipes."""

IGNORED = "dummy_param"
"""Last part of the name of empty tensors in published files."""


def config_of(tensors: dict[str, torch.Tensor], vocabulary: str = "atom3d", *, file=None) -> GvpConfig:
    """The published configuration whose names and shapes these tensors have.

    Parameters
    ----------
    vocabulary : str
        Which elements the weights were trained with, "atom3d" or "atomic number": the shapes do not tell.

    Raises
    ------
    InputError
        If no published GVP network has such tensors.
    """
    try:
        layers = len({name.split(".")[1] for name in tensors if name.startswith("layers.")})
        width, elements = tensors["embedding.weight"].shape[1], tensors["embedding.weight"].shape[0]
        distances = tensors["W_e.0.scalar_norm.weight"].shape[0]
        node, edge = (
            (tensors[f"{name}.wsv.weight"].shape[1], tensors[f"{name}.wsv.weight"].shape[0])
            for name in ("layers.0.conv.message_func.2", "W_e.1")
        )
    except (KeyError, IndexError) as error:
        raise InputError("these are not the tensors of a published GVP network", file=file, got=f"no {error}") from None
    config = GvpConfig(
        level="atom", node_input=width, node_hidden=node, edge_hidden=edge, distances=distances, layers=layers,
        neighbour_limit=32, vocabulary=vocabulary,
    )  # fmt: skip
    if elements != config.elements:
        raise InputError(
            "not the elements of a published GVP network", file=file, got=elements, expected=config.elements
        )
    return config


def load_state(model: nn.Module, tensors: dict[str, torch.Tensor], *, file=None) -> None:
    """Put tensors by published name into a `Gvp`: all of them, and none left over but empty ones.

    Raises
    ------
    InputError
        Naming a tensor that is missing, unexpected or of the wrong shape.
    """
    load_exactly(model, {name: tensor for name, tensor in tensors.items() if name.split(".")[-1] != IGNORED}, file=file)
