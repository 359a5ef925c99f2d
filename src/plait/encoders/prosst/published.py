"""The published layout: names, token order, and folders of config.json and model.safetensors."""

import json
import os
from pathlib import Path

import torch
from torch import nn

from plait.data.tensors import read_tensors, write_tensors
from plait.encoders.prosst.configuration import ProsstConfig
from plait.encoders.prosst.modeling import ProsstForMaskedLM
from plait.errors import InputError

TIED_DECODER = "cls.predictions.decoder.weight"
WORDS = "prosst.embeddings.word_embeddings.weight"


def load_state(model: nn.Module, tensors: dict[str, torch.Tensor], *, file=None) -> None:
    """Put tensors into a `ProsstForMaskedLM`: all of them, and none left over.

    The tied decoder may be there too, if it equals the word embeddings. Empty tensors of the wrong name are errors
    like any other.

    Raises
    ------
    InputError
        Naming the tensors that are missing, unexpected or of the wrong shape.
    """
    tensors = dict(tensors)
    decoder = tensors.pop(TIED_DECODER, None)
    own = model.state_dict()
    missing, unexpected = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or unexpected:
        raise InputError(
            "the tensors are not those of this configuration",
            file=file,
            got="; ".join(
                f"{len(names)} {word}: {_some(names)}"
                for word, names in (("missing", missing), ("unexpected", unexpected))
                if names
            ),
            do="Is config.json of the same model (pos_att_type, ss_vocab_size, num_hidden_layers)?",
        )
    for name, tensor in own.items():
        if tensor.shape != tensors[name].shape:
            raise InputError(
                f"tensor {name} has the wrong shape",
                file=file,
                got=tuple(tensors[name].shape),
                expected=tuple(tensor.shape),
            )
    if decoder is not None and not torch.equal(decoder, tensors[WORDS]):
        raise InputError(
            f"{TIED_DECODER} is not the word embedding",
            file=file,
            expected=f"equal to {WORDS}, to which it is tied",
        )
    model.load_state_dict(tensors)


def load_folder(folder) -> ProsstForMaskedLM:
    """The model in a folder of the published layout or of ours, in evaluation mode.

    Raises
    ------
    InputError
        If a file is missing or unreadable, or its contents do not fit together.
    """
    folder = Path(folder)
    config = read_config(folder / "config.json")
    model = ProsstForMaskedLM(config)
    path = folder / "model.safetensors"
    load_state(model, read_tensors(path), file=path)
    return model.eval()


def save_folder(model: ProsstForMaskedLM, folder) -> None:
    """Write config.json and model.safetensors; each is written beside its place and moved there."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(model.state_dict(), folder / "model.safetensors")
    beside = folder / ".config.json.part"
    beside.write_text(json.dumps(model.config.to_dict(), indent=2) + "\n")
    os.replace(beside, folder / "config.json")


def read_config(path) -> ProsstConfig:
    """The configuration in a config.json."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("no such file", file=path, expected="the config.json of a ProSST model") from None
    except (OSError, ValueError) as error:
        raise InputError("cannot be read as JSON", file=path, got=error) from None
    if not isinstance(values, dict):
        raise InputError("not a configuration", file=path, got=type(values).__name__, expected="an object of fields")
    return ProsstConfig.from_dict(values, file=path)


def _some(names, count=4):
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")
