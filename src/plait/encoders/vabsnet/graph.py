"""The edges of one track: a list of neighbours of fixed size for each node, and long lists for the special nodes."""

import dataclasses

import numpy as np
import torch


@dataclasses.dataclass(frozen=True)
class Track:
    """Who attends to whom among the nodes of a track (all atoms, or residues), and what is known of each edge.

    Ordinary nodes receive from W = neighbours + special nodes senders, the special nodes (global, virtual points) from
    every node of their protein. Edges are numbered row by row through `near`, then through `far`. Arrays are numpy's
    for one protein, and tensors for a batch.

    Attributes
    ----------
    near : int64 [n, W]
        Senders of each ordinary node.
    near_mask : bool [n, W]
        False where there is none; the node itself stands there.
    near_rows : int64 [n]
        The ordinary nodes.
    far : int64 [F]
        Senders of the special nodes, one after the other.
    far_rows : int64 [P]
    far_lengths : int64 [P]
        Number of senders of each special node.
    nodes : int
        Number of nodes; one that is in neither kind of rows receives nothing.
    distance : float64 [E], angstrom
    vectors : float64 [E, kinds, 3]
        Directions, absolute and relative.
    separation : int64 [E]
        Row of the table of sequence separations; the table of special edges follows on the ordinary one.
    """

    near: np.ndarray | torch.Tensor
    near_mask: np.ndarray | torch.Tensor
    near_rows: np.ndarray | torch.Tensor
    far: np.ndarray | torch.Tensor
    far_rows: np.ndarray | torch.Tensor
    far_lengths: np.ndarray | torch.Tensor
    nodes: int
    distance: np.ndarray | torch.Tensor
    vectors: np.ndarray | torch.Tensor
    separation: np.ndarray | torch.Tensor

    @property
    def near_edges(self) -> int:
        """n W, the number of edges of ordinary nodes."""
        return self.near.shape[0] * self.near.shape[1]

    def receivers(self) -> np.ndarray | torch.Tensor:
        """The receiving node of each edge, int64 [E]."""
        return _receivers(self.near, self.near_rows, self.far_rows, self.far_lengths)

    def senders(self) -> np.ndarray | torch.Tensor:
        """The sending node of each edge, int64 [E]."""
        if isinstance(self.near, np.ndarray):
            return np.concatenate([self.near.ravel(), self.far])
        return torch.cat([self.near.flatten(), self.far])

    def far_slots(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The special nodes' edges as a padded table: place among the far edges int64 [P, M], and whether there is
        one, bool [P, M]."""
        longest = int(self.far_lengths.max()) if len(self.far_lengths) else 0
        column = torch.arange(longest, device=self.far.device)
        mask = column < self.far_lengths[:, None]
        starts = self.far_lengths.cumsum(0) - self.far_lengths
        return torch.where(mask, starts[:, None] + column, 0), mask

    def outputs(self) -> torch.Tensor:
        """For each node its row among the ordinary, then the special ones, then one row of zeros: int64 [nodes]."""
        rows = torch.cat([self.near_rows, self.far_rows])
        place = torch.full((self.nodes,), len(rows), dtype=torch.int64, device=rows.device)
        place[rows] = torch.arange(len(rows), device=rows.device)
        return place

    def to(self, device) -> "Track":
        return dataclasses.replace(
            self,
            **{
                field.name: getattr(self, field.name).to(device)
                for field in dataclasses.fields(self)
                if field.name != "nodes"
            },
        )


def _receivers(near, near_rows, far_rows, far_lengths):
    if isinstance(near, np.ndarray):
        return np.concatenate([np.repeat(near_rows, near.shape[1]), np.repeat(far_rows, far_lengths)])
    return torch.cat([near_rows.repeat_interleave(near.shape[1]), far_rows.repeat_interleave(far_lengths)])


def join(tracks: list[Track]) -> Track:
    """The tracks of some proteins as one, with tensors."""
    starts = np.cumsum([0, *(track.nodes for track in tracks)])
    shifted = {
        name: np.concatenate([getattr(track, name) + start for track, start in zip(tracks, starts)])
        for name in ("near", "near_rows", "far", "far_rows")
    }
    whole = {name: np.concatenate([getattr(track, name) for track in tracks]) for name in ("near_mask", "far_lengths")}
    for name in ("distance", "vectors", "separation"):
        near = [getattr(track, name)[: track.near_edges] for track in tracks]
        far = [getattr(track, name)[track.near_edges :] for track in tracks]
        whole[name] = np.concatenate(near + far)
    arrays = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in (shifted | whole).items()}
    return Track(nodes=int(starts[-1]), **arrays)
