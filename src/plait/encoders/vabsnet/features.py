"""From a `Protein` to the nodes and edges that the network reads (specs/vabsnet.md, sections 1 to 3); numpy."""

import dataclasses

import numpy as np
import torch

from plait.encoders.blocks.graph_changes import changes_of
from plait.encoders.vabsnet.configuration import VabsnetConfig
from plait.encoders.vabsnet.graph import Track, join
from plait.encoders.vabsnet.published import (
    C_ALPHA,
    GLOBAL_ATOM,
    GLOBAL_RESIDUE,
    MASK,
    POINT_ATOM,
    POINT_RESIDUE,
    TO_PUBLISHED,
    UNKNOWN_ATOM,
    atom_slots,
)
from plait.encoders.vabsnet.tracks import make_track, unit
from plait.errors import InputError


@dataclasses.dataclass(frozen=True)
class VabsnetBatch:
    """Nodes and edges of some proteins, concatenated: of each the atoms, then the global node, then virtual points.

    Attributes
    ----------
    atom_type, residue_type : int64 [M]
        Of each node, in the published vocabularies.
    position : float64 [M, 3], angstrom
        NaN for a residue of which no atom is known.
    residue_nodes : int64 [n]
        The nodes of the residue track among all: C-alphas (or their stand-ins), global nodes, virtual points.
    residue_of_node : int64 [M]
        The residue node whose row of language features a node has.
    language : float32 [n, S] or None
    atom : Track or None
        None in a model without atoms; then all nodes are residue nodes.
    residue : Track
    residue_rows : int64 [R]
        The node of each residue of the proteins; M for a residue that the published program drops.
    atom_rows : int64 [A]
        The node of each atom of the proteins; M for an atom that is left out.
    global_rows : int64 [B]
    residue_offsets, atom_offsets, node_offsets : int64 [B + 1]
    """

    atom_type: torch.Tensor
    residue_type: torch.Tensor
    position: torch.Tensor
    residue_nodes: torch.Tensor
    residue_of_node: torch.Tensor
    language: torch.Tensor | None
    atom: Track | None
    residue: Track
    residue_rows: torch.Tensor
    atom_rows: torch.Tensor
    global_rows: torch.Tensor
    residue_offsets: torch.Tensor
    atom_offsets: torch.Tensor
    node_offsets: torch.Tensor

    def to(self, device) -> "VabsnetBatch":
        moved = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return VabsnetBatch(**{name: None if value is None else value.to(device) for name, value in moved.items()})


@dataclasses.dataclass(frozen=True)
class _Nodes:
    """One protein's nodes; see `VabsnetBatch`."""

    atom_type: np.ndarray
    residue_type: np.ndarray
    position: np.ndarray
    residue: np.ndarray  # number among the residues that are kept, and n, n + 1, ... for special nodes
    is_residue: np.ndarray
    residue_row: np.ndarray
    atom_row: np.ndarray
    owner: np.ndarray  # residue and atom of the protein that each node is of; -1 for none
    atom: np.ndarray
    chain: np.ndarray  # of each residue node
    frames: np.ndarray  # (n residue nodes, 3, 3)


def prepare(
    config: VabsnetConfig,
    proteins,
    *,
    frames=None,
    language=None,
    masked=None,
    hidden_atoms=None,
    origin=None,
    **extras,
) -> VabsnetBatch:
    """The batch of some proteins.

    Parameters
    ----------
    proteins : list of Protein
    frames : list of float [R, 3, 3], optional
        Frames of the residues (rows are axes) instead of those of their own N, CA and C.
    language : list of float [R, S] or [R + 1, S], optional
        Features of a language model; a last row more is that of the whole protein, for the special nodes.
    masked : list of (bool [R] or indices or None), optional
        Residues whose type is hidden.
    hidden_atoms : list of bool [R], optional
        Residues whose atoms' types are hidden.
    origin : list of float [3], optional
        Where the global node stands; the mean of the C-alphas if not given.
    **extras : sequence each
        Edges that an objective hides (`blocks.graph_changes`), among inputs for other families. Residues that are not
        to hear each other do not do so by their atoms either.

    Raises
    ------
    InputError
        Where the features of a language model are missing or do not fit; with `compat`, for fewer than 5 residues.
    """
    proteins = list(proteins)
    if (language is None) != (config.language_width == 0):
        raise InputError(
            "features of a language model " + ("are missing" if language is None else "were given for nothing"),
            expected=f"language_width {config.language_width} values per residue",
        )
    made, tracks = [], {"atom": [], "residue": []}
    for number, protein in enumerate(proteins):
        nodes = _nodes(
            config,
            protein,
            None if masked is None else _mask(masked[number], len(protein)),
            None if hidden_atoms is None else np.asarray(hidden_atoms[number], bool),
            None if frames is None else frames[number],
            None if origin is None else np.asarray(origin[number], np.float64),
        )
        made.append(nodes)
        changes = changes_of(extras, number)
        tracks["residue"].append(_residue_track(config, nodes, changes))
        if not config.residue_only:
            tracks["atom"].append(_atom_track(config, nodes, changes))
    rows = None
    if language is not None:
        rows = [_language_rows(config, *each) for each in zip(proteins, made, language, strict=True)]
    return _join(proteins, made, tracks, rows)


# -- nodes


def _mask(rows, residues: int) -> np.ndarray:
    """bool [R] from that, from indices, or from None."""
    mask = np.zeros(residues, bool)
    if rows is not None and len(rows):
        mask[np.asarray(rows)] = True
    return mask


def _nodes(config, protein, masked, hidden_atoms, frames, origin) -> _Nodes:
    position = np.asarray(protein.position, np.float64)
    slot = atom_slots(protein.atom_name)
    backbone = _backbone(protein, position)
    used, kept, centre = _places(config, protein, position, slot, backbone[:, 1])
    known = np.isfinite(centre).all(-1) & kept
    if origin is None:
        origin = centre[known].mean(0) if known.any() else np.zeros(3)
    if frames is None:
        frames = bisector_frames(
            np.where(np.isnan(backbone), origin, backbone) if config.absent_backbone == "centre" else backbone
        )
    residue_type = TO_PUBLISHED[protein.residue_type]
    if masked is not None:
        residue_type = np.where(masked, MASK, residue_type)
    points = _virtual_points(config, centre[kept])
    residues, special = int(kept.sum()), 1 + len(points)

    # atoms residue by residue and by slot, the stand-in (-1) of a residue without C-alpha before its atoms
    stand_in = np.flatnonzero(kept & np.isnan(backbone[:, 1]).any(-1))
    owner = np.concatenate([protein.residue_of[used], stand_in]).astype(np.int64)
    types = np.concatenate([slot[used], np.full(len(stand_in), -1)])
    order = np.lexsort((types, owner))
    owner, types = owner[order], types[order]
    is_residue = (types == C_ALPHA) | (types == -1)
    # a residue has one node: a second atom of the name CA is an atom like others
    marked = np.flatnonzero(is_residue)
    is_residue[marked[1:][owner[marked[1:]] == owner[marked[:-1]]]] = False
    residue_row, atom_row = np.full(len(protein), -1), np.full(len(position), -1)
    residue_row[owner[is_residue]] = np.flatnonzero(is_residue)
    atom_row[used] = np.argsort(order)[: len(used)]

    atom_type = np.where(types < 0, UNKNOWN_ATOM, types)
    if hidden_atoms is not None:
        atom_type = np.where(hidden_atoms[owner], UNKNOWN_ATOM, atom_type)

    def with_special(of_atoms, first, others):
        return np.concatenate([of_atoms, [first] + [others] * len(points)])

    return _Nodes(
        atom_type=with_special(atom_type, GLOBAL_ATOM, POINT_ATOM),
        residue_type=with_special(residue_type[owner], GLOBAL_RESIDUE, POINT_RESIDUE),
        position=np.concatenate([np.concatenate([position[used], centre[stand_in]])[order], origin[None], points]),
        residue=np.concatenate([(np.cumsum(kept) - 1)[owner], residues + np.arange(special)]),
        is_residue=np.concatenate([is_residue, np.ones(special, bool)]),
        residue_row=residue_row,
        atom_row=atom_row,
        owner=with_special(owner, -1, -1),
        atom=with_special(np.concatenate([used, np.full(len(stand_in), -1)])[order], -1, -1),
        chain=with_special(np.unique(protein.chain, return_inverse=True)[1][kept], -1, -1),
        frames=np.concatenate([np.asarray(frames, np.float64)[kept], np.zeros((special, 3, 3))]),
    )


def _backbone(protein, position) -> np.ndarray:
    """N, CA and C of each residue: float64 [R, 3, 3], NaN where absent; the first of atoms of one name."""
    backbone = np.full((len(protein), 3, 3), np.nan)
    for column, name in enumerate(("N", "CA", "C")):
        here = np.flatnonzero(protein.atom_name == name)[::-1]
        backbone[protein.residue_of[here], column] = position[here]
    return backbone


def _places(config, protein, position, slot, alpha) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The atoms that become nodes, int64; the residues that do, bool [R]; and where those are, float64 [R, 3].

    A residue without C-alpha is at the mean of its atoms; in the published form it is dropped.
    """
    owner = protein.residue_of
    used = np.isfinite(position).all(-1)
    kept, centre = np.ones(len(protein), bool), alpha.copy()
    missing = np.isnan(alpha).any(-1)
    if config.compat:
        used &= (slot != UNKNOWN_ATOM) & ~missing[owner]
        kept = ~missing
        if int(kept.sum()) <= 4:
            raise InputError(
                "too short for a compat model",
                file=protein.source or None,
                got=f"{int(kept.sum())} residues with C-alpha",
                expected="5 or more (the published program takes the wrong axis of shorter chains)",
            )
    elif missing.any():
        count = np.bincount(owner[used], minlength=len(protein))
        total = np.stack([np.bincount(owner[used], position[used, axis], len(protein)) for axis in range(3)], 1)
        with np.errstate(invalid="ignore"):
            centre[missing] = total[missing] / count[missing, None]
    if config.residue_only:
        alphas = np.flatnonzero(used & (slot == C_ALPHA))
        return alphas[np.unique(owner[alphas], return_index=True)[1]], kept, centre
    return np.flatnonzero(used), kept, centre


def bisector_frames(backbone: np.ndarray) -> np.ndarray:
    """Frames float64 [R, 3, 3] of residues from N, CA, C [R, 3 or more, 3]: the rows are the bisector of the bonds
    N-CA and CA-C, the normal of their plane, and their cross product. Zero where an atom is absent (NaN)."""
    backbone = np.asarray(backbone, np.float64)
    first, second = unit(backbone[:, 1] - backbone[:, 0]), unit(backbone[:, 2] - backbone[:, 1])
    normal = unit(np.cross(first, second))
    bisector = unit(first - second)
    frames = np.stack([bisector, normal, np.cross(bisector, normal)], axis=1)
    return np.where(np.isfinite(backbone[:, :3]).all((1, 2))[:, None, None], frames, 0.0)


def _virtual_points(config, centre) -> np.ndarray:
    """Means of parts of the chain; as published the last of four quarters has none."""
    count = config.virtual_points
    if count == 0:
        return np.zeros((0, 3))
    if config.compat:
        part = len(centre) // (count + 1)
        parts = [centre[part * number : part * (number + 1)] for number in range(count)]
    else:
        parts = np.array_split(centre, count)
    found = []
    for part in parts:
        known = part[np.isfinite(part).all(-1)]
        found.append(known.mean(0) if len(known) else np.full(3, np.nan))
    return np.array(found)


def _language_rows(config, protein, nodes, values) -> np.ndarray:
    values = np.asarray(values, np.float32)
    rows, width = len(protein), config.language_width
    if values.ndim != 2 or values.shape[1] != width or len(values) not in (rows, rows + 1):
        raise InputError(
            "features of a language model do not fit",
            file=protein.source or None,
            got=values.shape,
            expected=f"({rows} or {rows + 1}, {width})",
        )
    whole = values[rows:] if len(values) > rows else np.zeros((1, width), np.float32)
    special = len(nodes.chain) - int((nodes.residue_row >= 0).sum())
    return np.concatenate([values[:rows][nodes.residue_row >= 0], np.repeat(whole, special, axis=0)])


# -- tracks and batch


def _hidden(nodes, changes, track) -> list[tuple[np.ndarray, np.ndarray]]:
    """What `tracks.make_track` is told of hidden edges; `track` are the nodes of the track among all."""
    names = {"hidden_edges": nodes.owner, "hidden_atom_edges": nodes.atom}
    return [(names[name][track], changes[name]) for name in names if name in changes]


def _residue_track(config, nodes, changes) -> Track:
    centre, special = nodes.position[nodes.is_residue], config.special_nodes
    frames = nodes.frames
    if config.last_frame == "none":
        frames = frames.copy()
        frames[len(centre) - special - 1] = 0
    return make_track(
        config,
        centre,
        np.arange(len(centre)),
        frames,
        nodes.chain,
        special=special,
        senders=special,
        neighbours=config.residue_neighbours,
        raw_specials=config.special_directions == "axes",
        hidden=_hidden(nodes, changes, nodes.is_residue),
    )


def _atom_track(config, nodes, changes) -> Track:
    return make_track(
        config,
        nodes.position,
        nodes.residue,
        nodes.frames,
        nodes.chain,
        special=config.special_nodes,
        senders=1,
        neighbours=config.atom_neighbours,
        raw_specials=False,
        hidden=_hidden(nodes, changes, slice(None)),
    )


def _join(proteins, made, tracks, language) -> VabsnetBatch:
    def offsets(lengths):
        return np.cumsum([0, *lengths])

    def shifted(rows, starts, none):
        return np.concatenate([np.where(r < 0, none, r + start) for r, start in zip(rows, starts)]).astype(np.int64)

    starts = offsets([len(nodes.position) for nodes in made])
    residue_starts = offsets([len(nodes.chain) for nodes in made])
    special = [len(nodes.chain) - int((nodes.residue_row >= 0).sum()) for nodes in made]
    whole = {
        "atom_type": np.concatenate([nodes.atom_type for nodes in made]),
        "residue_type": np.concatenate([nodes.residue_type for nodes in made]),
        "position": np.concatenate([nodes.position for nodes in made]),
        "residue_nodes": np.flatnonzero(np.concatenate([nodes.is_residue for nodes in made])),
        "residue_of_node": shifted([nodes.residue for nodes in made], residue_starts, -1),
        "residue_rows": shifted([nodes.residue_row for nodes in made], starts, starts[-1]),
        "atom_rows": shifted([nodes.atom_row for nodes in made], starts, starts[-1]),
        "global_rows": starts[1:] - np.array(special),
        "residue_offsets": offsets([len(protein) for protein in proteins]),
        "atom_offsets": offsets([len(protein.position) for protein in proteins]),
        "node_offsets": starts,
    }
    return VabsnetBatch(
        **{name: torch.from_numpy(array) for name, array in whole.items()},
        language=None if language is None else torch.from_numpy(np.concatenate(language)),
        atom=join(tracks["atom"]) if tracks["atom"] else None,
        residue=join(tracks["residue"]),
    )
