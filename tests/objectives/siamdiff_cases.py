"""Recorded batches of the published GearNet and SiamDiff objectives, as ours read them."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from plait.data.base import Example
from plait.encoders.blocks.loading import load_exactly
from plait.encoders.blocks.torchdrug import RESIDUE_COLUMN
from plait.encoders.gearnet import GearNetEdgeEncoder
from plait.encoders.gearnet.published import PUBLISHED
from plait.encoders.gvp import GvpEncoder
from plait.objectives.base import total
from plait.objectives.showing import batch_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "encoders"))
from siamdiff_oracle import SiamDiffOracle


class Case:
    """One recorded objective at one level: the crops, the draws, the encoder and the heads."""

    def __init__(self, oracle: Path, name: str):
        self.source = SiamDiffOracle(oracle / "siamdiff")
        self.name, self.folder = name, oracle / "siamdiff" / "objectives"
        self.arrays = self.source.arrays("objectives", f"{name}.npz")
        self.summary = self.source.summary("objectives")[name]
        self.level, self.config = self.summary["level"], self.summary["config"]
        self.examples = []
        for structure, first, end in self.summary["crops"]:
            protein = self.source.protein(structure)
            protein = protein.with_positions(protein.position.astype(np.float64))
            self.examples.append(Example(structure, protein).crop(first, end - first))
        self.starts = np.cumsum([0, *(len(example.protein) for example in self.examples)])

    def split(self, residues: np.ndarray) -> list[np.ndarray]:
        """Residues of the batch as residues of each protein."""
        residues = residues.astype(np.int64)
        return [
            residues[(residues >= first) & (residues < end)] - first
            for first, end in zip(self.starts[:-1], self.starts[1:])
        ]

    def weights(self) -> dict[str, torch.Tensor]:
        return load_file(self.folder / self.summary["heads"])

    def encoder(self):
        if self.summary["encoder"] == "gvp":
            kept = {name: value for name, value in self.weights().items() if name.split(".")[0] not in HEADS}
            encoder = GvpEncoder.from_published(
                {name.removeprefix("model."): value for name, value in kept.items()}, "atomic number"
            )
            return encoder  # in evaluation mode: recorded without dropout
        published = PUBLISHED["gearnet-edge" if self.level == "residue" else "gearnet-edge-atom"]
        encoder = GearNetEdgeEncoder(dataclasses.replace(published, hidden=(16,) * 6))
        load_exactly(encoder.gearnet, load_file(self.folder / f"encoder.{self.level}.safetensors"))
        return encoder.train()

    def heads(self, prefix: str, types: bool = False) -> dict[str, torch.Tensor]:
        """Tensors of one head; `types` brings answers about residue types into our order."""
        found = {
            name.removeprefix(f"{prefix}."): value for name, value in self.weights().items() if name.startswith(prefix)
        }
        if types:
            last = sorted(found)[-1].rsplit(".", 1)[0]
            for part in ("weight", "bias"):
                found[f"{last}.{part}"] = found[f"{last}.{part}"][RESIDUE_COLUMN[:20]]
        return found

    def loss(self, objective, view, heads, change=lambda batch: batch) -> float:
        """What the objective's loss is in training mode. `change` brings in what only the published program does."""
        encoder = self.encoder()
        batches = {"": view, **view.others}
        shown = {n: encoder(change(batch_of(encoder, part))) for n, part in batches.items() if n in heads.views}
        self.outputs = heads(shown, view)
        value = total(objective.loss(self.outputs, view))
        value.backward()
        self.gradients = {f"model.{n}": p.grad for n, p in encoder.named_parameters() if p.grad is not None}
        return float(value.detach())

    def check(self, got: float):
        """Tolerance of the oracle's README."""
        expected = float(self.arrays["train:loss.0"])
        assert abs(got / expected - 1) < 1e-5, f"{self.name}: {got} and not {expected}"

    def check_norm(self, name: str, gradient: torch.Tensor):
        """Tolerance of the oracle's README, relative."""
        norms = dict(zip(self.arrays["grad_norm_names"].tolist(), self.arrays["grad_norms"].tolist()))
        assert abs(float(gradient.double().norm()) / norms[name] - 1) < 1e-3, name


HEADS = ("struct_mlp", "dist_mlp", "seq_mlp", "alphas")


def without_residue_types(batch):
    """The published program clears the types of all residues, masked or not, from the atoms' features (defect 9.2)."""
    return dataclasses.replace(batch, residue_column=torch.full_like(batch.residue_column, -1))
