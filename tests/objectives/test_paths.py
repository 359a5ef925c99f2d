"""Distances, angles and dihedrals give the published losses; what is drawn, hidden and measured is right."""

import itertools

import numpy as np
import pytest
import torch
from siamdiff_cases import Case

from plait import registry
from plait.data.base import Example
from plait.encoders.base import EncoderWithHeads
from plait.encoders.gearnet import GearNetEdgeConfig, GearNetEdgeEncoder
from plait.objectives.base import whole
from plait.objectives.node_graphs import NodeGraph
from plait.objectives.path_questions import Drawn
from plait.objectives.paths import dihedral_class, draw_paths, nodes_along
from plait.structure import read_structure
from plait.structure.geometry import dihedral
from plait.training.examples import make_batch

RECORDED = {"distance": [0, 1], "angle": [2, 1, 0], "dihedral": [3, 2, 1, 0]}
"""Where along a path each node of a recorded tuple stands."""
NAMES = tuple(RECORDED)


def recorded(case, objective) -> list[Drawn]:
    """The drawn paths and hidden edges of each protein, from node numbers and bits over the whole batch's edges."""
    graphs = [NodeGraph.of(example.protein, case.level, compat=True) for example in case.examples]
    edges = [len(graph.edge) for graph in graphs]
    assert edges == case.arrays["number_of_edges"].tolist()
    kept = np.unpackbits(case.arrays["draw:kept_edge"])[: sum(edges)].astype(bool)
    first_node, first_edge, drawn = 0, 0, []
    nodes = case.arrays["draw:node_tuple"].astype(np.int64)
    for graph, count in zip(graphs, edges):
        mine = nodes[(nodes[:, 0] >= first_node) & (nodes[:, 0] < first_node + len(graph.code))] - first_node
        hidden = graph.hidden(np.flatnonzero(~kept[first_edge : first_edge + count]))
        drawn.append(Drawn(graph, mine[:, np.argsort(RECORDED[objective.name])], hidden))
        first_node, first_edge = first_node + len(graph.code), first_edge + count
    return drawn


@pytest.mark.parametrize(("name", "level"), itertools.product(NAMES, ("residue", "atom")))
def test_the_published_loss(oracle, name, level):
    case, cls = Case(oracle, f"{name}.{level}"), registry.get("objective", name)
    objective = cls(cls.Config(compat=True, level=level))
    view = objective.ask(whole(case.examples), recorded(case, objective))
    expected = case.arrays["draw:target.0"]
    # distances in float32 of coordinates near 100 angstrom
    assert np.abs(view.targets[name] - expected).max() <= (2e-5 if name == "distance" else 0)
    heads = objective.make_heads(case.encoder())
    heads.mlp.load_state_dict(case.heads("mlp"))
    case.check(case.loss(objective, view, heads))
    for head in ("mlp.layers.0.weight", "mlp.layers.1.bias"):
        case.check_norm(head, dict(heads.named_parameters())[head].grad)
    case.check_norm("model.layers.2.linear.weight", case.gradients["model.gearnet.layers.2.linear.weight"])


def test_paths_are_drawn_alike():
    """Every path of a small graph with loops, double edges and a dead end is drawn as often as any other."""
    edge = np.array([[0, 1], [1, 0], [1, 2], [1, 2], [2, 0], [2, 2], [0, 3], [3, 1]])
    for steps, simple in itertools.product((2, 3), (True, False)):
        possible = []
        for path in itertools.product(range(len(edge)), repeat=steps):
            linked = all(edge[a, 1] == edge[b, 0] for a, b in itertools.pairwise(path))
            nodes = [edge[path[0], 0], *(edge[step, 1] for step in path)]
            plain = len(set(nodes)) == len(nodes)
            turns = [a == b or edge[a, 0] == edge[b, 1] for a, b in itertools.pairwise(path)]
            again = steps == 3 and path[0] == path[2]
            if linked and (plain if simple else not any(turns) and not again):
                possible.append(path)
        drawn = draw_paths(edge, 4, steps, 20000, np.random.default_rng(0), simple)
        found, counts = np.unique(drawn, axis=0, return_counts=True)
        assert set(map(tuple, found.tolist())) == set(possible)
        # binomial: 5 standard deviations
        mean = len(drawn) / len(possible)
        assert np.abs(counts - mean).max() < 5 * np.sqrt(mean)
        assert nodes_along(edge, drawn).shape == (20000, steps + 1)


def test_dihedral_classes_are_those_of_the_dihedral():
    position = np.random.default_rng(0).normal(size=(500, 4, 3))
    angle = np.abs(dihedral(*np.moveaxis(position, 1, 0)))
    assert (dihedral_class(position) == np.floor(angle / np.pi * 8)).all()


@pytest.mark.parametrize(("name", "level"), itertools.product(NAMES, ("residue", "atom")))
def test_no_edge_joins_nodes_of_a_question(structures, name, level):
    """Neither the edge that is asked about nor its opposite, in whatever relation; others stay."""
    cls = registry.get("objective", name)
    objective = cls(cls.Config(level=level))
    examples = [Example(n, read_structure(structures / n)) for n in ("1ubi.pdb", "2d7t.pdb.gz")]
    model = EncoderWithHeads(encoder := GearNetEdgeEncoder(GearNetEdgeConfig(level=level, hidden=(8,) * 2)), {})
    model.objective_heads = objective.make_heads(encoder)
    batch = make_batch(encoder, objective, examples, np.random.default_rng(0))
    whole_graph = encoder.prepare([example.protein for example in examples])
    graph = batch.inputs
    asked = batch.view.targets[f"{name}_nodes"]
    code = graph.residue if level == "residue" else graph.residue * 37 + atom_column(examples, graph.atom)
    joined = set(zip(code[graph.source].tolist(), code[graph.target].tolist()))
    for first, second in itertools.pairwise(asked.T.tolist()):
        assert not joined & set(zip(first, second)) and not joined & set(zip(second, first))
    assert 0.4 * len(whole_graph.source) < len(graph.source) < len(whole_graph.source)
    outputs = batch.outputs(model)
    assert outputs[name].shape == objective.shapes(batch.view)[name]
    objective.loss(outputs, batch.view)[name].value.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.objective_heads.parameters())


def atom_column(examples, atom):
    from plait.encoders.vabsnet.published import atom_slots

    names = np.concatenate([example.protein.atom_name for example in examples])
    return torch.from_numpy(atom_slots(names).astype(np.int64))[atom]
