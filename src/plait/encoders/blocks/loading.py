"""Tensors into a network: all of them, and none left over."""

import torch
from torch import nn

from plait.errors import InputError


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
