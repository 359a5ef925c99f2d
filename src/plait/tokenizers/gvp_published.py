"""Weights of GVP encoders from safetensors, in the published naming (which is also ours)."""

from collections.abc import Mapping

import numpy as np
import torch

from plait.errors import InputError
from plait.tokenizers.gvp_network import PUBLISHED, GVPEncoder, GVPEncoderConfig

IGNORED = "dummy_param"
"""Last part of the name of empty tensors in published files."""


def encoder_from_tensors(
    tensors: Mapping[str, torch.Tensor | np.ndarray], config: GVPEncoderConfig = PUBLISHED, *, file=None
) -> GVPEncoder:
    """The encoder of these weights, in evaluation mode.

    Parameters
    ----------
    tensors : mapping of str to tensor or array
        By published name (specs/prosst.md, A8); empty tensors called `...dummy_param` are passed over.
    file : path, optional
        For messages.

    Raises
    ------
    InputError
        If a tensor is missing, left over, of another shape or not finite.
    """
    tensors = {name: torch.as_tensor(value) for name, value in tensors.items() if name.split(".")[-1] != IGNORED}
    with torch.device("meta"):
        encoder = GVPEncoder(config)
    expected = {name: tuple(value.shape) for name, value in encoder.state_dict().items()}
    missing = [name for name in expected if name not in tensors]
    if missing:
        raise _wrong("a tensor of the structure encoder is missing", missing, file)
    more = [name for name in tensors if name not in expected]
    if more:
        raise _wrong("a tensor is not one of the structure encoder's", more, file)
    for name, value in tensors.items():
        if tuple(value.shape) != expected[name]:
            raise InputError(
                f"tensor {name!r} has another shape", file=file, got=tuple(value.shape), expected=expected[name]
            )
        if not torch.isfinite(value).all():
            raise InputError(f"tensor {name!r} is not finite", file=file)
    encoder.load_state_dict({name: value.to(torch.float32) for name, value in tensors.items()}, assign=True)
    return encoder.eval()


def _wrong(what: str, names: list[str], file) -> InputError:
    others = f", and {len(names) - 1} others" if len(names) > 1 else ""
    return InputError(what, file=file, got=f"{names[0]}{others}", expected="the tensors of a GVP structure encoder")
