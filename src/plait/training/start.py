"""What a fine-tuning begins from: the encoder of a run, or of a model by name or folder."""

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import torch

from plait.config import Part, from_dict
from plait.data.base import short_digest
from plait.data.tensors import read_tensors
from plait.encoders.base import Encoder
from plait.encoders.prosst.encoder import ProsstEncoder
from plait.encoders.prosst.modeling import ProsstForMaskedLM
from plait.errors import InputError
from plait.models.ensemble import Ensemble
from plait.models.loading import load, load_tokenizer
from plait.registry import get

WEIGHTS = "best.safetensors"


@dataclasses.dataclass(frozen=True)
class Start:
    """An encoder to begin from.

    Attributes
    ----------
    encoder : Part
        Its name and configuration.
    tensors : dict of str to tensor
        Its weights.
    tokenizer : Tokenizer or None
        Of the structure tokens that it reads.
    embeddings : dict of str to str
        The model or the file of the embeddings that it reads, as a recipe names them; empty where that is not known.
    """

    encoder: Part
    tensors: dict[str, torch.Tensor]
    tokenizer: Any = None
    embeddings: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def digest(self) -> str:
        return short_digest(*(self.tensors[name].float().numpy().tobytes() for name in sorted(self.tensors)))

    def load_into(self, encoder: Encoder, file: str) -> list[str]:
        """Give an encoder these weights. Returns the names of its tensors that are not among them and begin anew.

        Raises
        ------
        InputError
            If the encoder has no place for one of the weights, or one of another shape.
        """
        expected = encoder.state_dict()
        for name, tensor in self.tensors.items():
            if name not in expected or expected[name].shape != tensor.shape:
                there = tuple(expected[name].shape) if name in expected else "no such tensor"
                raise InputError(
                    "the weights to begin from do not fit the encoder",
                    file=file,
                    got=f"{name} {tuple(tensor.shape)}",
                    expected=str(there),
                    do="Are its sizes among the options that `change` changes?",
                )
        encoder.load_state_dict(self.tensors, strict=False)
        return [name for name in expected if name not in self.tensors]


def read_start(name: str) -> Start:
    """The encoder of a run's folder, or of a model by name, folder or hub id.

    Raises
    ------
    InputError
    """
    folder = Path(name)
    if (folder / WEIGHTS).is_file() and (folder / "run.json").is_file():
        return _of_run(folder)
    model = load(name)
    if isinstance(model, Ensemble):
        members = ", ".join(member.name for member in model.members)
        raise InputError("several networks to begin from", got=model.name, expected=f"one of {members}")
    network = model.network
    encoder = ProsstEncoder.of(network) if isinstance(network, ProsstForMaskedLM) else network.encoder
    source = {} if model.embeddings is None else model.embeddings.named
    return Start(Part(encoder.name, encoder.config), copy.deepcopy(encoder.state_dict()), model.tokenizer, source)


def _of_run(folder: Path) -> Start:
    file = folder / "run.json"
    try:
        run = json.loads(file.read_text(encoding="utf-8"))["run"]
        values = run.get("pretrain") or run.get("finetune")
        recipe, tokens = dict(values["encoder"]), values["tokens"]["tokenizer"]
        source = {name: str(one) for name, one in values.get("embeddings", {}).items()}
        name = recipe.pop("name")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("not the record of a training", file=file, got=str(error)) from None
    config = from_dict(get("encoder", name).Config, recipe, file=file, place="encoder")
    tensors = read_tensors(folder / WEIGHTS)
    if hasattr(config, "profile_head"):
        config = dataclasses.replace(config, profile_head=any(key.startswith("readout.profile") for key in tensors))
    tokenizer = load_tokenizer(tokens) if tokens else None
    if tokenizer is not None:
        config = config.with_tokenizer(tokenizer.name, tokenizer.size)
    own = {key.removeprefix("encoder."): value for key, value in tensors.items() if key.startswith("encoder.")}
    return Start(Part(name, config), own, tokenizer, source)
