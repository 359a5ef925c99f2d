"""The published structure quantiser, transcribed step by step from its description: plain, slow, nothing shared.

For tests and for benchmarks/quantiser.py. Sections in brackets are those of specs/prosst.md. Vectors are (n, channels,
3). `tensors` is a state dict with the published names.
"""

import math

import torch
import torch.nn.functional as F


def tokens(tensors: dict, centres: torch.Tensor, coordinates: torch.Tensor) -> torch.Tensor:
    """Tokens int64 [n] of backbone coordinates float32 [n, 3 or 4, 3] [A7]."""
    embedding = embed(tensors, *subgraphs(coordinates))
    return torch.cdist(embedding.double(), centres.double()).argmin(dim=1)


def subgraphs(coordinates: torch.Tensor):
    """All subgraphs of a chain in one batch [A2 to A4]: node vectors, edges, edge features, number of the subgraph."""
    n, ca, c = coordinates[:, :3].unbind(dim=1)
    forward, backward = torch.zeros_like(ca), torch.zeros_like(ca)
    forward[:-1], backward[1:] = unit(ca[1:] - ca[:-1]), unit(ca[:-1] - ca[1:])
    to_c, to_n = unit(c - ca), unit(n - ca)
    cross = torch.cross(to_c, to_n, dim=0 if len(ca) == 3 else 1)  # the defect of three residues [A2]
    side_chain = -unit(to_c + to_n) * math.sqrt(1 / 3) - unit(cross) * math.sqrt(2 / 3)
    node_vector = torch.stack([forward, backward, side_chain], dim=1)  # (n, 3, 3)

    distance = torch.linalg.norm(ca.double()[:, None] - ca.double()[None], dim=2)
    near = (distance < 10.0) & ~torch.eye(len(ca), dtype=torch.bool)
    edges = near.nonzero().T  # (2, E), row-major
    step = ca[edges[0]] - ca[edges[1]]
    centres = torch.linspace(0, 20, 16)
    radial = torch.exp(-(((torch.linalg.norm(step, dim=1)[:, None] - centres) / 1.25) ** 2))
    frequency = torch.exp(torch.arange(0, 16, 2, dtype=torch.float32) * -(math.log(10000.0) / 16))
    angle = (edges[0] - edges[1]).float()[:, None] * frequency
    edge_scalar = torch.nan_to_num(torch.cat([radial, angle.cos(), angle.sin()], dim=1))
    edge_vector = unit(step)[:, None]  # (E, 1, 3)

    members, parts, counted = [], [], 0
    place = torch.full((len(ca),), -1)
    number = torch.full((len(ca), len(ca)), -1)
    number[edges[0], edges[1]] = torch.arange(edges.shape[1])
    for anchor in range(len(ca)):
        order = distance[anchor].argsort(stable=True)[:50]
        kept = order[distance[anchor][order] < 10.0][:40].sort().values
        place[kept] = torch.arange(len(kept))
        chosen = number[kept][:, kept]
        chosen = chosen[chosen >= 0]
        parts.append((place[edges[:, chosen]] + counted, edge_scalar[chosen], edge_vector[chosen]))
        members.append(kept)
        counted += len(kept)
    graph_of = torch.repeat_interleave(torch.arange(len(ca)), torch.tensor([len(kept) for kept in members]))
    index, scalar, vector = (torch.cat(column, dim=-1 if i == 0 else 0) for i, column in enumerate(zip(*parts)))
    return node_vector[torch.cat(members)], index, scalar, vector, graph_of


@torch.no_grad()
def embed(tensors, node_vector, edges, edge_scalar, edge_vector, graph_of) -> torch.Tensor:
    """Embedding float32 [subgraphs, 256], of length one [A6]."""

    def gvp(name, state, active):
        scalar, vector = state
        hidden = F.linear(vector.transpose(1, 2), tensors[f"{name}.wh.weight"])  # (n, 3, h)
        joined = torch.cat([scalar, norm(hidden, 1)], dim=1)
        scalar = F.linear(joined, tensors[f"{name}.ws.weight"], tensors[f"{name}.ws.bias"])
        if active:
            scalar = F.relu(scalar)
        if f"{name}.wv.weight" not in tensors:
            return scalar, None
        vector = F.linear(hidden, tensors[f"{name}.wv.weight"]).transpose(1, 2)
        if active:
            vector = vector * torch.sigmoid(norm(vector, 2, keepdim=True))
        return scalar, vector

    def layer_norm(name, state):
        scalar, vector = state
        weight, bias = tensors[f"{name}.scalar_norm.weight"], tensors[f"{name}.scalar_norm.bias"]
        mean_square = vector.square().sum(2, keepdim=True).clamp(min=1e-8).mean(1, keepdim=True)
        return F.layer_norm(scalar, weight.shape, weight, bias), vector / mean_square.sqrt()

    nodes = len(node_vector)
    node = gvp("W_v.1", layer_norm("W_v.0", (torch.zeros(nodes, 20), node_vector)), False)
    edge = gvp("W_e.1", layer_norm("W_e.0", (edge_scalar, edge_vector)), False)
    layers = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("layers."))
    for layer in range(layers):
        source, target = edges
        message = tuple(torch.cat([of[source], e, of[target]], dim=1) for of, e in zip(node, edge))
        for number in range(3):
            message = gvp(f"layers.{layer}.conv.message_func.{number}", message, number < 2)
        change = tuple(scatter_mean(part, target, nodes) for part in message)
        node = layer_norm(f"layers.{layer}.norm.0", tuple(a + b for a, b in zip(node, change)))
        change = gvp(f"layers.{layer}.ff_func.0", node, True)
        change = gvp(f"layers.{layer}.ff_func.1", change, False)
        node = layer_norm(f"layers.{layer}.norm.1", tuple(a + b for a, b in zip(node, change)))
    scalar = gvp("W_out.1", layer_norm("W_out.0", node), True)[0]
    return F.normalize(scatter_mean(scalar, graph_of, int(graph_of.max()) + 1), dim=1)


def scatter_mean(values: torch.Tensor, index: torch.Tensor, size: int) -> torch.Tensor:
    """Mean of the values with the same index, zero where there is none."""
    total = values.new_zeros(size, *values.shape[1:])
    expanded = index.view(-1, *[1] * (values.dim() - 1)).expand_as(values)
    total.scatter_add_(0, expanded, values)
    count = torch.bincount(index, minlength=size).clamp(min=1)
    return total / count.view(-1, *[1] * (values.dim() - 1))


def norm(vector: torch.Tensor, dim: int, keepdim: bool = False) -> torch.Tensor:
    """Length that is never zero [A5]."""
    return vector.square().sum(dim, keepdim=keepdim).clamp(min=1e-8).sqrt()


def unit(vector: torch.Tensor) -> torch.Tensor:
    """Direction; a zero vector stays zero [A2]."""
    return torch.nan_to_num(vector / torch.linalg.norm(vector, dim=-1, keepdim=True))
