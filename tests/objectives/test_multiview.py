"""Two views of each protein give the published loss; windows and balls are what they should be."""

import numpy as np
import pytest
import torch
from siamdiff_cases import Case

from plait.data.base import Example
from plait.encoders.base import EncoderWithHeads
from plait.encoders.gearnet import GearNetConfig, GearNetEncoder
from plait.objectives.base import total, whole
from plait.objectives.multiview import Multiview, MultiviewConfig, Part
from plait.objectives.node_graphs import NodeGraph
from plait.structure import read_structure
from plait.training.examples import make_batch


def recorded(case) -> list[list[Part]]:
    """The recorded residues and edges of both views; what else is between these residues was left out."""
    graphs = [NodeGraph.of(example.protein, case.level, compat=True) for example in case.examples]
    views, codes = [], 1 if case.level == "residue" else 37
    for number in range(2):
        shown = case.split(case.arrays[f"draw:view_residue.{number}"])
        edges, first, parts = case.arrays[f"draw:view_edge.{number}"].astype(int), 0, []
        for graph, example, rows in zip(graphs, case.examples, shown):
            residues = np.isin(np.arange(len(example.protein)), rows)
            inside = np.flatnonzero(residues[graph.code[graph.edge] // codes].all(1))
            hidden = np.setdiff1d(inside, edges - first)
            parts.append(Part(residues, graph.hidden(hidden)))
            first += len(graph.edge)
        views.append(parts)
    return views


@pytest.mark.parametrize("name", ["multiview.residue", "multiview-b.residue", "multiview.atom", "multiview-b.atom"])
def test_the_published_loss(oracle, name):
    case = Case(oracle, name)
    objective = Multiview(MultiviewConfig(compat=True, level=case.level))
    view = objective.ask(whole(case.examples), recorded(case))
    heads = objective.make_heads(case.encoder())
    heads.mlp.load_state_dict(case.heads("model.mlp"))
    case.check(case.loss(objective, view, heads))


def test_published_views_are_drawn_as_recorded(oracle):
    """Windows of 50, balls that hold all nodes nearer than 15 angstrom to one, a seventh of the edges left out."""
    case = Case(oracle, "multiview-b.residue")
    objective = Multiview(MultiviewConfig(compat=True))
    kinds = set()
    for seed in range(12):
        view = objective.view(case.examples, np.random.default_rng(seed))
        for other in view.others.values():
            kept = [extras["kept_residues"].sum() for extras in other.extras]
            thinned = [len(extras["hidden_edges"]) > 0 for extras in other.extras]
            window = kept == [50, 50, 50]
            assert len(set(thinned)) == 1
            kinds.add((window, thinned[0]))
    assert len(kinds) == 4


@pytest.fixture(scope="module")
def examples(structures):
    names = ("1ubi.pdb", "2d7t.pdb.gz", "4eiy.cif.gz")
    return [Example(name, read_structure(structures / name)) for name in names]


@pytest.mark.parametrize("level", ["residue", "atom"])
def test_parts_and_their_edges(examples, level):
    objective = Multiview(MultiviewConfig(level=level))
    protein, ends = examples[1].protein, np.zeros(2, bool)
    for seed in range(1000):
        window = objective.draw(protein, False, False, np.random.default_rng(seed)).residues
        assert window.sum() == 50 and np.diff(np.flatnonzero(window)).max() == 1
        ends |= window[[0, -1]]
    assert ends.all()
    part = objective.draw(protein, True, True, np.random.default_rng(0))
    graph = NodeGraph.of(protein.select(part.residues), level)
    assert len(part.hidden) == 2 * int(0.15 * len(graph.edge) / 2)
    alphas = protein.c_alpha[part.residues]
    assert np.linalg.norm(alphas - alphas.mean(0), axis=1).max() < 30 and 10 < part.residues.sum() < 120


def test_it_learns_to_tell_proteins_apart(examples):
    """The loss of one batch falls well below that of a guess among three."""
    torch.manual_seed(0)
    objective, encoder = Multiview(), GearNetEncoder(GearNetConfig(hidden=(8,)))
    model = EncoderWithHeads(encoder, {}, objective.make_heads(encoder))
    batch = make_batch(encoder, objective, examples, np.random.default_rng(0))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(15):
        loss = total(objective.loss(batch.outputs(model), batch.view))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.5 * np.log(3)
