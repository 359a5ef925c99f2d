"""The published vocabularies and names of tensors."""

import re

import numpy as np
import torch

from plait.errors import InputError
from plait.structure.vocabulary import RESIDUES

ATOM_SLOTS = (
    "N", "CA", "C", "CB", "O", "CG", "CG1", "CG2", "OG", "OG1", "SG", "CD", "CD1", "CD2", "ND1", "ND2", "OD1", "OD2",
    "SD", "CE", "CE1", "CE2", "CE3", "NE", "NE1", "NE2", "OE1", "OE2", "CH2", "NH1", "NH2", "OH", "CZ", "CZ2", "CZ3",
    "NZ", "OXT",
)  # fmt: skip
"""Atom types in the published order."""

C_ALPHA, UNKNOWN_ATOM, GLOBAL_ATOM, POINT_ATOM, ATOM_TYPES = 1, 37, 38, 39, 40
"""37 is the masked atom of the published site training; here also an atom that has no slot, or a residue's stand-in."""

RESIDUE_ORDER = "ARNDCQEGHILKMFPSTWYVX"
UNKNOWN_RESIDUE, PADDING, MASK, GLOBAL_RESIDUE, POINT_RESIDUE, RESIDUE_TYPES = 20, 21, 22, 23, 24, 25

TO_PUBLISHED = np.array([RESIDUE_ORDER.index(letter) for letter in RESIDUES])
"""Published residue type of each of ours."""

PAIR_FACTOR, PAIRS = 40, 1600
"""Rows of a pair table: 40 times the receiver's type plus the sender's, for atoms and for residues."""

_SORTED = np.argsort(ATOM_SLOTS)
_SORTED_NAMES = np.array(ATOM_SLOTS)[_SORTED]


def atom_slots(names: np.ndarray) -> np.ndarray:
    """Atom type int64 [A] of atom names; `UNKNOWN_ATOM` for those without a slot."""
    place = np.searchsorted(_SORTED_NAMES, names).clip(max=len(ATOM_SLOTS) - 1)
    return np.where(_SORTED_NAMES[place] == names, _SORTED[place], UNKNOWN_ATOM)


# -- names of tensors

_TRACKS = {"aa": "atom", "rr": "residue"}

_RENAMINGS = (
    (r"residue_feature\.", "encoder.residue_embedding."),
    (r"atom_feature\.", "encoder.atom_embedding."),
    (r"esm_feat_encoder\.", "encoder.language."),
    (r"(aa|rr)_se3_invariant_kernel\.gaussian\.mul\.", r"encoder.{0}_edges.distances.scale."),
    (r"(aa|rr)_se3_invariant_kernel\.gaussian\.bias\.", r"encoder.{0}_edges.distances.shift."),
    (r"(aa|rr)_se3_invariant_kernel\.out_proj\.", r"encoder.{0}_edges.distances."),
    (r"(rr)_edge_encoder\.residue_pair_encoder\.", r"encoder.{0}_edges.pairs."),
    (r"(aa)_edge_encoder\.residue_aa_pair_encoder\.", r"encoder.{0}_edges.pairs."),
    (r"vec_(aa|rr)_embed\.embed\.", r"encoder.{0}_edges.directions."),
    (r"(aa|rr)_positional_edge\.", r"encoder.{0}_edges.separation."),
    (r"aa_v_positional_edge\.", "encoder.atom_edges.special_separation."),
    (r"v_positional_edge\.", "encoder.residue_edges.special_separation."),
    (r"molecule_encoder\.layer_norm\.", "encoder.node_norm."),
    (r"molecule_encoder\.pair_layer_norm\.", "encoder.edge_norm."),
    (r"molecule_encoder\.layers\.(\d+)\.self_attn\.linear_", r"encoder.layers.{0}.residue.attention."),
    (r"molecule_encoder\.layers\.(\d+)\.aa_attn\.linear_", r"encoder.layers.{0}.atom.attention."),
    (r"molecule_encoder\.layers\.(\d+)\.self_attn_layer_norm\.", r"encoder.layers.{0}.residue.attention_norm."),
    (r"molecule_encoder\.layers\.(\d+)\.final_layer_norm\.", r"encoder.layers.{0}.residue.feed_forward_norm."),
    (r"molecule_encoder\.layers\.(\d+)\.aa_attn_layer_norm\.", r"encoder.layers.{0}.atom.attention_norm."),
    (r"molecule_encoder\.layers\.(\d+)\.aa_final_layer_norm\.", r"encoder.layers.{0}.atom.feed_forward_norm."),
    (r"molecule_encoder\.layers\.(\d+)\.ffn\.", r"encoder.layers.{0}.residue.feed_forward."),
    (r"molecule_encoder\.layers\.(\d+)\.aa_ffn\.", r"encoder.layers.{0}.atom.feed_forward."),
    (r"res_type_cls\.", "heads.residue_type."),
    (r"sas_cls\.", "heads.atom_accessibility."),
    (r"pocket_cls_all\.", "heads.sites."),
    (r"EC_cls\.", "heads.graph."),
    (r"dihedral_cls\.", "heads.torsion."),
    (r"atom_pos_head\.(q|k|v|linear_bias)(?:_proj)?\.", r"heads.atom_position.{0}."),
    (r"atom_pos_head\.force_proj(\d)\.", r"heads.atom_position.force.{0}."),
    (r"atom_pos_head\.layer_norm\.", "heads.atom_position.node_norm."),
    (r"atom_pos_head\.pair_norm\.", "heads.atom_position.edge_norm."),
)

_CENTRES = re.compile(r"(aa|rr)_se3_invariant_kernel\.gaussian\.mean")
_ATTENTION = {"q": "query", "k": "key", "v": "value", "o": "output", "bias": "bias", "linear_bias": "bias"}


def our_name(published: str) -> str:
    """Our name of a published tensor; unknown names come back as they are."""
    for pattern, ours in _RENAMINGS:
        found = re.match(pattern, published)
        if found:
            groups = [_TRACKS.get(group, group) for group in found.groups()]
            if "force" in ours:
                groups = [str(int(groups[0]) - 1)]
            if ours == "heads.atom_position.{0}.":
                groups = [_ATTENTION[groups[0]]]
            rest = published[found.end() :]
            if ours.endswith("attention."):
                first, _, rest = rest.partition(".")
                rest = f"{_ATTENTION[first]}.{rest}"
            return ours.format(*groups) + rest
    return published


def from_published(tensors: dict[str, torch.Tensor], *, kernel_stop: float = 9.0, file=None) -> dict[str, torch.Tensor]:
    """A published state under our names. The stored kernel centres, which we compute, are checked and left out.

    Raises
    ------
    InputError
        If the centres are not evenly spaced from 0 to `kernel_stop`.
    """
    state = {}
    for name, tensor in tensors.items():
        if _CENTRES.fullmatch(name):
            expected = torch.linspace(0, kernel_stop, tensor.numel())
            if not torch.allclose(tensor.float().flatten(), expected, atol=2e-3 * kernel_stop):
                raise InputError(
                    f"{name} is not evenly spaced",
                    file=file,
                    got=f"{float(tensor.flatten()[0]):.3g} to {float(tensor.flatten()[-1]):.3g}",
                    expected=f"0 to {kernel_stop:g}",
                )
            continue
        state[our_name(name)] = tensor
    return state
