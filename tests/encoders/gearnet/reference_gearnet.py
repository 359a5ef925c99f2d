"""GearNet written down as the specification says it (specs/siamdiff.md, sections 2 and 3), edge by edge and buffer by
buffer: what ours is tested against and timed beside."""

import math

import torch
import torch.nn.functional as F


def line_edges(source, target, position, bins):
    """All pairs of edges (a, b), (b, c): first edge, second edge and bin of the angle, int64 [L] each."""
    order = target.argsort(stable=True)
    begin = F.pad(target.bincount(minlength=len(position)).cumsum(0), (1, 0))
    count = begin.diff()[source]
    second = torch.arange(len(source)).repeat_interleave(count)
    within = torch.arange(len(second)) - F.pad(count.cumsum(0), (1, 0))[second]
    first = order[begin[source[second]] + within]
    u = position[target[second]] - position[source[second]]
    v = position[source[first]] - position[source[second]]
    angle = torch.atan2(torch.linalg.cross(u, v).norm(dim=-1), (u * v).sum(-1))
    return first, second, (angle / math.pi * bins).long().clamp(max=bins - 1)


def flattened(x, source, target, relation, targets, relations):
    """Sums of rows of x by target and relation, side by side: [targets, relations * d]."""
    index = torch.stack([target * relations + relation, source])
    adjacency = torch.sparse_coo_tensor(
        index, torch.ones(len(source), dtype=x.dtype), (targets * relations, len(x)), check_invariants=False
    )
    return torch.sparse.mm(adjacency, x).view(targets, -1)


def norm(state, name, x, training):
    mean, variance = (state[f"{name}.{which}"] for which in ("running_mean", "running_var"))
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return F.batch_norm(x, mean.clone(), variance.clone(), weight, bias, training)


def convolution(state, name, x, summed, config, training):
    y = F.linear(summed, state[f"{name}.linear.weight"], state[f"{name}.linear.bias"])
    y = y + F.linear(x, state[f"{name}.self_loop.weight"], state[f"{name}.self_loop.bias"])
    return F.relu(norm(state, f"{name}.batch_norm", y, training) if config.batch_norm else y)


def gearnet(state, config, node, edge, source, target, relation, position, training=False):
    """Vectors [N, width] from the same arguments as `GearNet`, with its tensors by name."""
    nodes, count = len(node), config.rules.relations
    if config.angle_bins:
        first, second, part = line_edges(source, target, position, config.angle_bins)
    x, hidden = node, []
    for i in range(len(config.hidden)):
        h = convolution(state, f"layers.{i}", x, flattened(x, source, target, relation, nodes, count), config, training)
        if config.short_cut and h.shape == x.shape:
            h = h + x
        if config.angle_bins:
            summed = flattened(edge, first, second, part, len(edge), config.angle_bins)
            edge = convolution(state, f"edge_layers.{i}", edge, summed, config, training)
            into = torch.zeros(nodes * count, edge.shape[1], dtype=edge.dtype)
            into = into.index_add(0, target * count + relation, edge).view(nodes, -1)
            weight, bias = (state[f"layers.{i}.linear.{which}"] for which in ("weight", "bias"))
            h = h + F.relu(F.linear(into, weight, bias))
        if config.batch_norm:
            h = norm(state, f"batch_norms.{i}", h, training)
        hidden.append(h)
        x = h
    return torch.cat(hidden, dim=-1) if config.concat_hidden else x
