"""The network of a model: read from its folder, written there, and asked for what its heads say of a chain."""

import json
import os
from pathlib import Path

import numpy as np
import torch

from plait import registry
from plait.config import from_dict, to_dict
from plait.data.tensors import read_tensors, write_tensors
from plait.encoders.base import EncoderWithHeads, is_protein_head
from plait.encoders.prosst.encoder import ProsstEncoder
from plait.encoders.prosst.features import RESIDUE_COLUMNS
from plait.encoders.prosst.modeling import ProsstForMaskedLM
from plait.errors import InputError
from plait.objectives.stability import whole_stability
from plait.structure.protein import Protein

KIND = "plait"
"""`model_type` of a config.json in our own layout, which holds any encoder; `plait.hf` may write the encoder's name in
its place. Without either, it is a published ProSST."""

LOGARITHMS = ("residue_type", "profile", "log_odds")
"""Heads whose twenty outputs are logarithms up to a constant for each residue."""


def predict(network, protein: Protein, *, structure_tokens=None, masked=None, language=None) -> dict[str, torch.Tensor]:
    """What each head says of a chain, float32 [R, values] ([1, values] if it answers for proteins); natural
    log-probabilities for `LOGARITHMS`.

    Log-probabilities of a ProSST's residues are taken over all its tokens (specs/prosst.md, B8).

    Parameters
    ----------
    structure_tokens : int64 [R], optional
        For encoders that read them.
    masked : indices or bool [R], optional
        Residues whose type the network does not see.
    language : float [R, S], optional
        For encoders that read embeddings; rows of `masked` residues are taken as zero.
    """
    extras = {} if structure_tokens is None else {"structure_tokens": [structure_tokens]}
    if language is not None:
        rows = np.array(language, np.float32)
        if masked is not None:
            rows[np.asarray(masked)] = 0
        extras["language"] = [rows]
    hidden = None if masked is None else [masked]
    with torch.inference_mode():
        if isinstance(network, ProsstForMaskedLM):
            batch = network.prepare([protein], masked=hidden, **extras)
            output = network(*batch.pad())
            found = {"residue_type": torch.log_softmax(output.logits.float(), -1)[..., RESIDUE_COLUMNS]}
            if output.profile_logits is not None:
                found["profile"] = torch.log_softmax(output.profile_logits.float(), -1)
            return {name: batch.unpad(value) for name, value in found.items()}
        found = network(network.encoder.prepare([protein], masked=hidden, **extras))
        if "stability" in found:
            found["stability"] = whole_stability(found)
        return {
            name: torch.log_softmax(value.float(), -1) if name in LOGARITHMS else value.float()
            for name, value in found.items()
        }


def encoder_of(network):
    """The `Encoder` within a network; it shares the network's parameters."""
    return ProsstEncoder.of(network) if isinstance(network, ProsstForMaskedLM) else network.encoder


def language_width(network) -> int:
    """Values of a residue's embedding that a network reads beside the structure; 0 for none."""
    return getattr(encoder_of(network).config, "language_width", 0)


def structure_of(network):
    """The configuration with the structure tokens that a network reads, or None if it reads none."""
    config = network.config if isinstance(network, ProsstForMaskedLM) else network.encoder.config
    return config if getattr(config, "has_structure", False) else None


def read_network(folder):
    """The network in a folder of our layout, or of the published ProSST layout.

    Raises
    ------
    InputError
        If a file is missing or unreadable, or its contents do not fit together.
    """
    from plait.encoders.prosst.published import load_folder

    file = Path(folder) / "config.json"
    record = _own_config(file)
    if record is None:
        return load_folder(folder)
    cls = registry.get("encoder", record["encoder"])
    encoder = cls(from_dict(cls.Config, record["config"], file=file))
    network = EncoderWithHeads(encoder, record["heads"], protein_layers=record["protein_layers"])
    path = Path(folder) / "model.safetensors"
    tensors, expected = read_tensors(path), network.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    wrong = sorted(name for name, tensor in expected.items() if shapes.get(name) != tuple(tensor.shape))
    wrong += sorted(shapes.keys() - expected.keys())
    if wrong:
        raise InputError(
            "the tensors are not those of this configuration",
            file=path,
            got=f"{wrong[0]} {shapes.get(wrong[0], 'absent')}",
            expected=f"{tuple(expected[wrong[0]].shape) if wrong[0] in expected else 'no such tensor'}",
            do="Is config.json of the same model?",
        )
    network.load_state_dict(tensors)
    return network.eval()


def save_network(network, folder) -> None:
    """Write config.json and model.safetensors; each is written beside its place and moved there."""
    if isinstance(network, ProsstForMaskedLM):
        from plait.encoders.prosst.published import save_folder

        save_folder(network, folder)
        return
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {n: t for n, t in network.state_dict().items() if not n.startswith("objective_heads.")}
    write_tensors(tensors, folder / "model.safetensors")
    encoder = network.encoder
    record = {
        "model_type": KIND,
        "encoder": encoder.name,
        "heads": network.heads,
        "config": to_dict(encoder.config),
    }
    if any(map(is_protein_head, network.heads)):
        record["protein_layers"] = network.protein_layers
    beside = folder / ".config.json.part"
    beside.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    os.replace(beside, folder / "config.json")


def _own_config(file: Path) -> dict | None:
    """The content of a config.json of ours; None for one of another kind, or none."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # the reader of the published layout says what is wrong
    if not isinstance(record, dict) or record.get("model_type") not in (KIND, record.get("encoder", KIND)):
        return None
    for name, kind in (("encoder", str), ("heads", dict), ("config", dict)):
        if not isinstance(record.get(name), kind):
            raise InputError(f"no {name} in the configuration", file=file, expected=f"{name}, a {kind.__name__}")
    for name, width in record["heads"].items():
        if not isinstance(width, int) or width < 1:
            raise InputError(f"head {name} has no width", file=file, got=repr(width), expected="a number of values")
    layers = record.setdefault("protein_layers", 1)
    if not isinstance(layers, int) or layers < 1:
        raise InputError("protein_layers is no number of layers", file=file, got=repr(layers), expected="1 or more")
    return record
