"""A data set in memory and a tiny model whose vectors are embeddings for another."""

from pathlib import Path

import numpy as np
import torch

from plait.data.base import DataSet, Example
from plait.encoders.base import EncoderWithHeads
from plait.encoders.neighbourhood import NeighbourhoodEncoder
from plait.encoders.neighbourhood.configuration import NeighbourhoodConfig
from plait.models.loading import save
from plait.models.model import Model
from plait.models.scoring import Scoring


class InMemory(DataSet):
    """Proteins by id."""

    def __init__(self, proteins: dict, digest: str = "in memory"):
        self._proteins, self._digest = dict(proteins), digest
        self.ids = tuple(proteins)
        self.lengths = np.array([len(protein) for protein in proteins.values()])
        self.read = 0

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        self.read += 1
        return Example(self.ids[index], self._proteins[self.ids[index]])

    @property
    def digest(self):
        return self._digest


def save_tiny(folder: Path, seed: int = 0, width: int = 16) -> Path:
    """A model of random weights whose residues have `width` values."""
    torch.manual_seed(seed)
    config = NeighbourhoodConfig(width=width, edge_width=8, layers=1, heads=2, neighbours=8)
    network = EncoderWithHeads(NeighbourhoodEncoder(config), {"profile": 20})
    save(Model(folder.name, network, None, Scoring(), {"trained_on": "nothing"}), folder)
    return folder
