"""Vabs-Net gives the numbers of the published program, on every case of the oracle.

Tolerances are those of the oracle's README, which are the rounding of the published float32 run. Nodes and heads are
computed here in float64, so that our own rounding does not add to that; kernels and edges in float32, as published.
"""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from vabsnet_cases import CASES, config_of, prepare_cases, read_case, read_model, read_weights

from plait.encoders.vabsnet.loading import load_published, load_state
from plait.errors import InputError

INSIDE, POSITION, TORSION, DIRECTION = 3e-6, 5e-5, 2e-5, 3e-6


def published_order(track, pairs):
    """Which of our edges each published edge (receiver, sender) is."""
    there = np.concatenate([track.near_mask.numpy().ravel(), np.ones(len(track.far), bool)])
    ours = np.stack([track.receivers().numpy(), track.senders().numpy()], 1)[there]
    assert ours.shape == pairs.shape
    first, second = (np.lexsort((edges[:, 1], edges[:, 0])) for edges in (ours, pairs))
    assert (ours[first] == pairs[second]).all()
    order = np.empty(len(pairs), np.int64)
    order[second] = np.flatnonzero(there)[first]
    return order


def close(got, expected, tolerance):
    assert got.shape == expected.shape
    assert np.abs(got.detach().numpy() - expected).max(initial=0) <= tolerance


@pytest.mark.parametrize("name", CASES)
def test_features(oracle, name):
    case, model = read_case(oracle, name), read_model(oracle, name)
    batch, expected = prepare_cases(model, [case]), case.arrays
    assert np.array_equal(batch.atom_type, expected["in/atom_type"])
    assert np.array_equal(batch.residue_type, expected["in/residue_type"])
    assert np.array_equal(batch.residue_nodes, np.flatnonzero(expected["in/res_mask"]))
    assert np.array_equal(batch.residue_of_node, expected["in/residue_idx_all"])
    assert np.array_equal(batch.language, expected["in/esm_feat"])
    close(batch.position, expected["in/atom_pos"], 1e-12)
    tracks = [(batch.residue, model.encoder.residue_edges, "in/edge_index", "in/edge_vec")]
    if batch.atom is not None:
        tracks.append((batch.atom, model.encoder.atom_edges, "in/aa_edge_index", "in/edge_aa_vec"))
    for track, edges, pairs, vectors in tracks:
        codes = edges.codes(track)[published_order(track, expected[pairs])]
        step = 1 if len(codes) == len(expected[vectors]) else max(1, len(codes) // 150)
        close(codes[::step], expected[vectors], DIRECTION)
        # sums of some thousand terms in float64
        close(codes.sum(0), expected[f"{vectors}_column_sums"], 1e-9)


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_edges(oracle, name):
    case, model = read_case(oracle, name), read_model(oracle, name)
    batch, expected = prepare_cases(model, [case]), case.arrays
    output, _ = model(batch)
    order = published_order(batch.residue, expected["in/edge_index"])
    close(output.residue_edges[order], expected["out/rr_edges"], INSIDE)
    if "mid/nodes_in" not in expected:
        return
    types = batch.residue_type[batch.residue_nodes]
    tracks = [("rr", batch.residue, model.encoder.residue_edges, types, order)]
    if batch.atom is not None:
        order = published_order(batch.atom, expected["in/aa_edge_index"])
        tracks.append(("aa", batch.atom, model.encoder.atom_edges, batch.atom_type, order))
        close(output.atom_edges[order], expected["mid/aa_edges_in"], INSIDE)
    for track_name, track, edges, node_types, order in tracks:
        ends = node_types[track.receivers()], node_types[track.senders()]
        kernel = edges.distances
        close(
            kernel.values(track.distance, *ends)[order],
            expected[f"mid/{track_name}_se3_invariant_kernel.gaussian"],
            INSIDE,
        )
        close(kernel(track.distance, *ends)[order], expected[f"mid/{track_name}_se3_invariant_kernel"], INSIDE)
        close(edges(track, node_types)[order], expected[f"mid/{track_name}_edges_in"], INSIDE)
    close(model.encoder.language(batch.language), expected["mid/esm_feat_encoder"], INSIDE)


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_nodes_and_heads(oracle, name):
    case, model = read_case(oracle, name), read_model(oracle, name).double()
    batch, expected = prepare_cases(model, [case]), case.arrays
    output, answers = model(batch)
    for number, hidden in enumerate(output.hidden):
        if f"out/nodes_layer{number}" in expected:
            close(hidden, expected[f"out/nodes_layer{number}"], INSIDE)
    check_heads(batch, answers, expected)


@torch.no_grad()
def test_a_batch_of_two_chains(oracle):
    names = ("base_smpc_1l2y", "base_smpc_2axd")
    model = read_model(oracle, names[0]).double()
    expected = dict(np.load(oracle / "vabsnet" / "base_smpc_batch.npz"))
    batch = prepare_cases(model, [read_case(oracle, name) for name in names])
    published_order(batch.residue, expected["in/edge_index"])
    published_order(batch.atom, expected["in/aa_edge_index"])
    output, answers = model(batch)
    close(output.nodes, expected["out/nodes_layer2"], INSIDE)
    check_heads(batch, answers, expected)


def check_heads(batch, answers, expected):
    close(answers["residue_type"][batch.residue_type == 22], expected["out/residue_type_logits"], INSIDE)
    close(batch.position + answers["atom_position"], expected["out/atom_pos_pred"], POSITION)
    close(answers["atom_accessibility"], expected["out/sasa_pred"], INSIDE)
    close(answers["sites"], expected["out/pocket_logits"], INSIDE)
    torsion = answers["torsion"]
    close(torsion, expected["out/torsion_unnormalised"], INSIDE)
    close(torsion / torsion.norm(dim=-1, keepdim=True), expected["out/torsion"], TORSION)
    if "graph" in answers:
        close(answers["graph"], expected["out/graph_logits"], INSIDE)


@pytest.mark.parametrize(
    "name", ["base_smpc_1l2y", "relative_only_smpc_1l2y", "preln_smpc_1l2y", "residue_only_smpc_1l2y"]
)
@torch.no_grad()
def test_a_checkpoint_says_what_it_is(oracle, name):
    kind = name.removesuffix("_smpc_1l2y")
    file = oracle / "vabsnet" / f"weights_{kind}.safetensors"
    model = load_published(file, residue_neighbours=6, atom_neighbours=6, virtual_points=3)
    assert dataclasses.replace(model.config, size="small") == config_of(oracle, name)
    case = read_case(oracle, name)
    _, answers = model(prepare_cases(model, [case]))
    # in float32: its rounding adds to that of the published run
    close(answers["sites"], case.arrays["out/pocket_logits"], 2 * INSIDE)


def test_another_file_is_no_checkpoint(oracle, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="not a Vabs-Net checkpoint"):
        load_published(tmp_path / "a.safetensors")
    state = read_weights(oracle, "base_smpc_1l2y")
    del state["molecule_encoder.layers.1.aa_ffn.linear_1.bias"]
    with pytest.raises(InputError, match="missing"):
        load_state(read_model(oracle, "base_smpc_1l2y"), state)
