"""What a residue and a pair of neighbours look like to a viewer who turns with them: invariant numbers only."""

import torch
from torch.nn import functional as F

SHELLS = (6.0, 8.0, 10.0, 12.0, 15.0, 18.0)
"""Radii (angstrom) within which C-betas are counted."""

RESIDUES_AT_ONCE = 512
"""Rows of the distance matrix that are looked at together, so that memory is linear in the length of a protein."""

NODE_FEATURES = 3 * 2 + 3 + len(SHELLS) + 2 + 1
ATOMS = 4


def edge_features(distances: int) -> int:
    """Number of values that `pair_geometry` gives besides separations in sequence."""
    return ATOMS * ATOMS * distances + ATOMS * 3 + 3 + 9


def c_beta(backbone: torch.Tensor) -> torch.Tensor:
    """Ideal C-betas [..., 3] of N, CA, C [..., 3, 3] (constants: the corpus's README; within 0.1 angstrom)."""
    n, ca, c = backbone.unbind(-2)
    b, d = ca - n, c - ca
    return ca - 0.5827 * torch.linalg.cross(b, d) + 0.5680 * b - 0.5407 * d


def frames(backbone: torch.Tensor) -> torch.Tensor:
    """Rows are the axes of each residue's frame, [..., 3, 3]: along CA to C, N in the second axis's half plane."""
    n, ca, c = backbone.unbind(-2)
    first = F.normalize(c - ca, dim=-1, eps=1e-6)
    towards = n - ca
    second = F.normalize(towards - (towards * first).sum(-1, keepdim=True) * first, dim=-1, eps=1e-6)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-2)


def dihedral(a, b, c, d) -> torch.Tensor:
    """Sine and cosine [..., 2] of the torsion about b to c; zero where an atom is absent (NaN)."""
    axis = F.normalize(c - b, dim=-1, eps=1e-6)
    left, right = (a - b), (d - c)
    left = left - (left * axis).sum(-1, keepdim=True) * axis
    right = right - (right * axis).sum(-1, keepdim=True) * axis
    cosine = (left * right).sum(-1)
    sine = (torch.linalg.cross(axis, left, dim=-1) * right).sum(-1)
    both = torch.stack([sine, cosine], -1)
    return torch.nan_to_num(both / both.norm(dim=-1, keepdim=True).clamp(min=1e-6))


def node_geometry(backbone, follows, counts, exposure) -> torch.Tensor:
    """What a residue looks like, [R, NODE_FEATURES].

    Sine and cosine of phi, psi and omega; three bond angles' cosines stand in for strain; how many C-betas are within
    each of SHELLS, and the share of C-alphas within 12 angstrom on its side chain's side, and its number; whether the
    backbone is there.

    Parameters
    ----------
    backbone : [R, 3, 3], NaN where absent
    follows : bool [R]
        Whether the residue before in the array is bonded to it.
    counts : [R, len(SHELLS)], exposure : [R, 2]
        See `surroundings`.
    """
    n, ca, c = backbone.unbind(-2)
    before_c, before_ca = c.roll(1, 0), ca.roll(1, 0)
    after_n = n.roll(-1, 0)
    linked, links = follows[:, None], follows.roll(-1, 0)[:, None]
    phi = dihedral(before_c, n, ca, c) * linked
    psi = dihedral(n, ca, c, after_n) * links
    omega = dihedral(before_ca, before_c, n, ca) * linked
    bend = torch.stack([_cosine(n - ca, c - ca), _cosine(ca - n, before_c - n), _cosine(ca - c, after_n - c)], -1)
    bend = bend * torch.cat([torch.ones_like(linked), linked, links], -1)
    present = torch.isfinite(backbone).all(-1).all(-1, keepdim=True)
    parts = [phi, psi, omega, torch.nan_to_num(bend), torch.log1p(counts) / 3, exposure, present]
    return torch.cat([part.to(backbone.dtype) for part in parts], -1)


def pair_geometry(backbone: torch.Tensor, index: torch.Tensor, count: int) -> torch.Tensor:
    """What neighbour j looks like from i, [R, k, edge_features(count)]; zero where an atom is absent.

    Distances between N, CA, C and ideal CB of both, each spread over `count` Gaussians from 2 to 22 angstrom;
    directions of the four atoms of j in the frame of i, of the CA of i in that of j; the rotation between the frames.
    """
    atoms = torch.cat([backbone, c_beta(backbone)[:, None]], 1)  # (R, 4, 3)
    frame = frames(backbone)  # (R, 3, 3)
    origin = backbone[:, 1]  # (R, 3)
    there = atoms[index]  # (R, k, 4, 3)
    gaps = (there[:, :, None] - atoms[:, None, :, None]).norm(dim=-1).flatten(2)  # (R, k, 16)
    centres = torch.linspace(2.0, 22.0, count, dtype=gaps.dtype, device=gaps.device)
    width = 20.0 / (count - 1)
    spread = torch.exp(-(((gaps[..., None] - centres) / width) ** 2)).flatten(2)  # (R, k, 16 count)
    away = there - origin[:, None, None]  # (R, k, 4, 3)
    seen = F.normalize(torch.einsum("rxc,rkac->rkax", frame, away), dim=-1, eps=1e-6).flatten(2)
    back = torch.einsum("rkxc,rkc->rkx", frame[index], -away[:, :, 1])
    turned = torch.einsum("rxc,rkyc->rkxy", frame, frame[index]).flatten(2)
    return torch.nan_to_num(torch.cat([spread, seen, F.normalize(back, dim=-1, eps=1e-6), turned], -1))


def surroundings(backbone: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of one protein: C-betas within each of SHELLS [R, 6]; and C-alphas within 12 angstrom on the side of the C-beta
    over all, with log(1 + all) / 3 [R, 2]. A residue without backbone counts by its C-alpha and has no side."""
    parts = [_surroundings(backbone, rows) for rows in torch.arange(len(backbone)).split(RESIDUES_AT_ONCE)]
    return tuple(torch.cat(one) for one in zip(*parts, strict=True))


def _surroundings(backbone: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    ca, beta = backbone[:, 1], c_beta(backbone)
    point = torch.where(torch.isfinite(beta), beta, ca)
    others = rows.to(ca.device)[:, None] != torch.arange(len(ca), device=ca.device)  # (rows, R)
    gaps = torch.cdist(point[rows], point, compute_mode="donot_use_mm_for_euclid_dist")
    counts = torch.stack([((gaps < radius) & others).sum(-1) for radius in SHELLS], -1).to(backbone.dtype)
    away = ca[None] - ca[rows, None]  # (rows, R, 3)
    near = (away.norm(dim=-1) < 12.0) & others
    ahead = near & ((away * (beta - ca)[rows, None]).sum(-1) > 0)
    every = near.sum(-1).to(backbone.dtype)
    return counts, torch.stack([ahead.sum(-1) / every.clamp(min=1), torch.log1p(every) / 3], -1)


def _cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (F.normalize(a, dim=-1, eps=1e-6) * F.normalize(b, dim=-1, eps=1e-6)).sum(-1)
