"""`NeighbourhoodEncoder`: residues attend to their nearest neighbours in space."""

import dataclasses

import numpy as np
import torch
from torch import nn

from plait.data.base import short_digest
from plait.encoders.base import Encoder, Representation
from plait.encoders.blocks.graph_changes import among
from plait.encoders.neighbourhood.configuration import NeighbourhoodConfig
from plait.encoders.neighbourhood.geometry import (
    NODE_FEATURES,
    edge_features,
    node_geometry,
    pair_geometry,
    surroundings,
)
from plait.encoders.neighbourhood.modeling import Layer, Layout
from plait.errors import InputError
from plait.references import VABSNET
from plait.registry import register
from plait.structure.geometry import bonded
from plait.structure.lining import FEATURES, lining
from plait.structure.neighbours import nearest
from plait.structure.vocabulary import UNKNOWN

HIDDEN = UNKNOWN + 1
"""Row of the residue table for a residue whose type is hidden."""

REMEMBERED = 4000
"""Structures whose cavities an encoder keeps: about 10 kB each."""


@dataclasses.dataclass
class NeighbourhoodBatch:
    """Proteins, one after the other.

    Attributes
    ----------
    residue : int64 [R]
        Residue types; `HIDDEN` where the type is not shown.
    backbone : float [R, 3, 3]
        N, CA, C in angstrom, NaN where absent.
    bonded : bool [R]
        Whether the residue before is bonded to it.
    neighbour : int64 [R, k]
        Rows of the residue itself and its nearest ones; the residue itself where there are fewer.
    valid : bool [R, k]
    separation : int64 [R, k]
        Places in the chain from the residue to the neighbour; far beyond any reach for one of another chain.
    residue_offsets : int64 [B + 1]
    structure : int64 [R] or None
        Structure tokens in [0, K], K for unknown; None for an encoder that reads none.
    lining : float32 [R, plait.structure.lining.FEATURES] or None
        The cavities that each residue lines; None for an encoder that does not read them.
    """

    residue: torch.Tensor
    backbone: torch.Tensor
    bonded: torch.Tensor
    neighbour: torch.Tensor
    valid: torch.Tensor
    separation: torch.Tensor
    residue_offsets: torch.Tensor
    structure: torch.Tensor | None = None
    lining: torch.Tensor | None = None

    def to(self, device) -> "NeighbourhoodBatch":
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return NeighbourhoodBatch(**{name: value.to(device) for name, value in given.items() if value is not None})


ELSEWHERE = 1 << 20


@register("encoder")
class NeighbourhoodEncoder(Encoder):
    """Residue types on continuous geometry: no structure tokens, no side-chain atoms.

    The residue track of Vabs-Net without its atoms, made small: attention to the nearest residues, whose bias and
    values also come from the pair's distances, directions, relative frames and separation in sequence. Pairs have
    states of their own that change from layer to layer, and every residue hears the mean of its protein.
    """

    name = "neighbourhood"
    summary = "attention of residues to their nearest ones with distances, directions and relative frames"
    reference = VABSNET.at("the residue track; plait's own reduction of it")
    Config = NeighbourhoodConfig
    graph_changes = ("hidden_edges",)

    def __init__(self, config: NeighbourhoodConfig):
        super().__init__()
        self.config = config
        self.residue = nn.Embedding(HIDDEN + 1, config.width)
        self.structure = nn.Embedding(config.structure_states + 1, config.width) if config.has_structure else None
        self.tokenizer = None
        self.lining = (
            nn.Sequential(nn.Linear(FEATURES, config.width), nn.GELU(), nn.Linear(config.width, config.width))
            if config.cavities
            else None
        )
        self._linings: dict[str, np.ndarray] = {}
        self.node = nn.Linear(NODE_FEATURES, config.width)
        self.separation = nn.Embedding(2 * config.sequence_reach + 2, config.edge_width)
        self.edge = nn.Linear(edge_features(config.distances), config.edge_width)
        self.edge_mix = nn.Sequential(
            nn.LayerNorm(config.edge_width), nn.Linear(config.edge_width, config.edge_width), nn.GELU()
        )
        self.layers = nn.ModuleList(Layer(config, last=n == config.layers - 1) for n in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def prepare(self, proteins, *, structure_tokens=None, masked=None, hidden_edges=None, **_) -> NeighbourhoodBatch:
        """The batch of some proteins; inputs of other families are passed over.

        Parameters
        ----------
        structure_tokens : sequence of int [R], optional
            For an encoder that reads them; asked of `tokenizer` where they are not given.
        masked : sequence of (bool [R] or indices or None), optional
            Residues of each protein whose type is hidden.
        hidden_edges : sequence of int64 [H, 3], optional
            Pairs of residues of each protein, in the first two columns, of which the second does not hear the first;
            see `plait.encoders.blocks.graph_changes`.
        """
        if len(proteins) == 0:
            raise InputError("no protein was given", expected="one or more")
        parts = [
            self._arrays(protein, *(None if given is None else given[number] for given in (masked, hidden_edges)))
            for number, protein in enumerate(proteins)
        ]
        offsets = np.concatenate(([0], np.cumsum([len(protein) for protein in proteins])))
        joined = {name: torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in parts[0]}
        joined["neighbour"] = joined["neighbour"] + torch.from_numpy(
            np.repeat(offsets[:-1], np.diff(offsets))
        ).unsqueeze(1)
        if self.structure is not None:
            if structure_tokens is None:
                structure_tokens = self.tokenizer.batch(proteins)
            joined["structure"] = torch.from_numpy(np.concatenate(structure_tokens).astype(np.int64))
        if self.lining is not None:
            joined["lining"] = torch.from_numpy(np.concatenate([self._lining(protein) for protein in proteins]))
        return NeighbourhoodBatch(**joined, residue_offsets=torch.from_numpy(offsets))

    def _arrays(self, protein, masked, hidden_edges) -> dict[str, np.ndarray]:
        residues, config = len(protein), self.config
        kind = protein.residue_type.astype(np.int64)
        if masked is not None:
            kind[masked] = HIDDEN
        backbone = np.array(protein.backbone[:, :3])
        own = np.arange(residues)
        near, _ = nearest(protein.c_alpha, config.neighbours - 1)
        valid = np.concatenate([np.ones((residues, 1), bool), near >= 0], 1)
        neighbour = np.where(valid, np.concatenate([own[:, None], near], 1), own[:, None])
        if hidden_edges is not None:
            hidden = among(neighbour, own[:, None], None, hidden_edges) & (neighbour != own[:, None])
            valid, neighbour = valid & ~hidden, np.where(hidden, own[:, None], neighbour)
        separation = protein.sequence_index[neighbour] - protein.sequence_index[:, None]
        separation = np.where(protein.chain[neighbour] == protein.chain[:, None], separation, ELSEWHERE)
        same = np.concatenate([[False], protein.chain[1:] == protein.chain[:-1]])
        return {
            "residue": kind,
            "backbone": backbone,
            "bonded": bonded(protein.backbone, same),
            "neighbour": neighbour,
            "valid": valid,
            "separation": separation.astype(np.int64),
        }

    def _lining(self, protein) -> np.ndarray:
        """The cavities that residues line, remembered, as training comes back to a structure in every epoch."""
        key = short_digest(protein.position.tobytes(), protein.residue_of.tobytes(), str(len(protein)).encode())
        if key not in self._linings:
            if len(self._linings) >= REMEMBERED:
                self._linings.pop(next(iter(self._linings)))
            self._linings[key] = lining(protein)
        return self._linings[key]

    @property
    def width(self) -> int:
        return self.config.width

    def forward(self, batch: NeighbourhoodBatch) -> Representation:
        """States of residues [R, d] after the last norm, and their mean over each protein [B, d]."""
        layout = Layout(batch.neighbour, batch.valid, batch.residue_offsets)
        node, pair = self._geometry(batch)
        x = self.residue(batch.residue) + self.node(node)
        if self.structure is not None:
            x = x + self.structure(batch.structure)
        if self.lining is not None:
            x = x + self.lining(batch.lining.to(x.dtype))
        reach = self.config.sequence_reach
        separation = torch.where(
            batch.separation == ELSEWHERE, 2 * reach + 1, batch.separation.clamp(-reach, reach) + reach
        )
        edges = self.edge_mix(self.edge(pair) + self.separation(separation))
        for layer in self.layers:
            x, edges = layer(x, edges, layout)
        x = self.norm(x)
        return Representation(x, layout.mean(x), batch.residue_offsets)

    @torch.no_grad()
    def _geometry(self, batch: NeighbourhoodBatch):
        """Features of residues and pairs, computed in float32 at least and given in the weights' type."""
        kind = self.node.weight.dtype
        backbone = batch.backbone.to(torch.promote_types(kind, torch.float32))
        found = [surroundings(part) for part in backbone.split(batch.residue_offsets.diff().tolist())]
        counts, exposure = (torch.cat(parts) for parts in zip(*found, strict=True))
        node = node_geometry(backbone, batch.bonded, counts, exposure)
        return node.to(kind), pair_geometry(backbone, batch.neighbour, self.config.distances).to(kind)
