"""Tensors into a network: all of them, and none left over."""

import torch
from torch import nn

from plait.errors import InputError

SIAMDIFF_HEADS = ("struct_mlp", "dist_mlp", "seq_mlp", "alphas")
"""First part of the names of what a checkpoint of SiamDiff holds besides the encoder."""


def load_exactly(model: nn.Module, tensors: dict[str, torch.Tensor], *, file=None) -> None:
    """`model.load_state_dict(tensors)`, with one clear sentence where they do not fit.

    Raises
    ------
    InputError
        Naming a tensor that is missing, unexpected or of the wrong shape.
    """
    own = model.state_dict()
    kind = type(model).__name__
    for what, names in (
        ("a tensor is missing", own.keys() - tensors.keys()),
        (f"a tensor is not one of this {kind}'s", tensors.keys() - own.keys()),
    ):
        if names:
            names = sorted(names)
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(what, file=file, got=names[0] + more, do="Is it a model of the same size and kind?")
    for name, tensor in own.items():
        if tensor.shape != tensors[name].shape:
            raise InputError(
                f"tensor {name} has the wrong shape",
                file=file,
                got=tuple(tensors[name].shape),
                expected=tuple(tensor.shape),
            )
    model.load_state_dict(tensors)


def encoder_tensors(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The encoder's tensors of a checkpoint, saved as the model alone or (first stage) as the whole task with heads
    beside it."""
    if not any(name.startswith("model.") for name in tensors):
        return dict(tensors)
    other = [name for name in tensors if not name.startswith("model.") and name.split(".")[0] not in SIAMDIFF_HEADS]
    if other:
        raise InputError("this tensor belongs neither to the encoder nor to its heads", got=other[0])
    return {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
