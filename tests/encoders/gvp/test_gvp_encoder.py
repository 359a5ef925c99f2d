"""The GVP encoder against the published program's, and against its perceptrons edge by edge."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from plait.encoders.gvp import GvpConfig, GvpEncoder
from plait.encoders.gvp.modeling import Gvp, Messages
from plait.encoders.gvp.published import PUBLISHED
from plait.errors import InputError

STRUCTURES = ("p1", "1S3P-A")


@pytest.fixture(scope="module")
def recorded(siamdiff):
    """The encoder with published names and recorded weights, and what was recorded."""
    weights, arrays, summary = siamdiff.encoder("gvp-atom")
    return GvpEncoder.from_published(weights), arrays, summary


@pytest.mark.parametrize("name", STRUCTURES)
def test_graph_of_the_oracle(name, recorded, siamdiff):
    encoder, arrays, _ = recorded
    batch = encoder.prepare([siamdiff.protein(name)])
    assert np.array_equal(batch.element_column.numpy(), arrays[f"{name}.atom_type"])
    assert np.array_equal(torch.stack([batch.source, batch.target], 1).numpy(), arrays[f"{name}.edge"])


def test_vectors_and_gradients_of_the_oracle(recorded, siamdiff, close_to):
    encoder, arrays, summary = recorded
    given = summary["config"]
    assert encoder.config.node_hidden == tuple(given["node_h_dim"])
    assert encoder.config.layers == given["num_layers"]
    proteins = [siamdiff.protein(name) for name in STRUCTURES]
    with torch.no_grad():
        for protein in proteins:
            output = encoder(encoder.prepare([protein]))
            close_to(output.atom, arrays[f"{protein.source}.eval.node_feature"])
            close_to(output.protein, arrays[f"{protein.source}.eval.graph_feature"])
    output = encoder(encoder.prepare(proteins))
    close_to(output.protein, arrays["batch.eval.graph_feature"])
    encoder.zero_grad()
    loss = (output.atom @ torch.from_numpy(arrays["grad_vector"])).square().mean()
    assert abs(loss.item() / summary["loss"] - 1) < 1e-5
    loss.backward()
    gradients = {name: p.grad for name, p in encoder.gvp.named_parameters()}
    norms = {n: v for n, v in zip(arrays["grad_norm_names"].tolist(), arrays["grad_norms"]) if "dummy" not in n}
    assert set(norms) <= set(gradients)
    got = np.array([gradients[name].double().norm() for name in norms])
    expected = np.array(list(norms.values()))
    # norms of gradients that nearly vanish are rounding
    assert np.allclose(got, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_a_checkpoint_of_the_whole_task_loads(siamdiff):
    from safetensors.torch import load_file

    tensors = load_file(siamdiff.folder / "objectives" / "siamdiff-gvp.atom.heads.safetensors")
    encoder = GvpEncoder.from_published(tensors, "atomic number")
    assert encoder.config.vocabulary == "atomic number"
    assert torch.equal(encoder.gvp.embedding.weight, tensors["model.embedding.weight"])


def test_names_shapes_and_size_of_the_published_network(siamdiff):
    published = json.loads((siamdiff.folder / "encoders" / "published_tensors.json").read_text())
    expected = published["gvp atom (published dimensions)"]
    model = Gvp(PUBLISHED)
    theirs = {name: shape for name, shape in expected["tensors"].items() if not name.endswith("dummy_param")}
    assert {name: list(t.shape) for name, t in model.state_dict().items()} == theirs
    assert sum(p.numel() for p in model.parameters()) == expected["parameters"]


def test_messages_are_the_perceptrons_on_source_edge_and_target():
    torch.manual_seed(0)
    messages = Messages((5, 3), (4, 2)).double()
    state = torch.randn(6, 5).double(), torch.randn(6, 3, 3).double()
    source, target = torch.tensor([0, 1, 2, 3, 1, 0]), torch.tensor([1, 0, 1, 1, 4, 4])
    edge = torch.randn(6, 4).double(), torch.randn(6, 3, 2).double()
    joined = [torch.cat([state[of][source], edge[of], state[of][target]], dim=-1) for of in (0, 1)]
    every = messages.message_func(joined)
    for got, message in zip(messages(state, edge, source, target), every):
        for node in range(6):
            arriving = message[target == node]
            expected = arriving.mean(0) if len(arriving) else torch.zeros_like(message[0])
            assert torch.allclose(got[node], expected, atol=1e-12)


@pytest.mark.parametrize("level", ["residue", "atom"])
def test_dropout_only_in_training(level, siamdiff):
    encoder = GvpEncoder(GvpConfig(level=level, node_hidden=(16, 4), layers=2))
    batch = encoder.prepare([siamdiff.protein("p1")])
    assert torch.equal(encoder.eval()(batch).residue, encoder(batch).residue)
    encoder.train()
    torch.manual_seed(0)
    first = encoder(batch).residue
    assert not torch.allclose(first, encoder(batch).residue)


def test_atom_level_is_invariant_and_the_same_in_a_batch(siamdiff):
    from scipy.spatial.transform import Rotation

    encoder = GvpEncoder(GvpConfig(level="atom", node_hidden=(16, 4), layers=2)).double().eval()
    protein = siamdiff.protein("p1")
    moved = protein.with_positions(
        protein.position.astype(np.float64) @ Rotation.random(random_state=0).as_matrix().T + [10.0, -20.0, 30.0]
    )
    with torch.no_grad():
        before = encoder(encoder.prepare([protein]))
        after = encoder(encoder.prepare([siamdiff.protein("1S3P-A"), moved]))
    assert torch.allclose(before.atom, after.atom[-len(protein.position) :], atol=1e-9)
    assert torch.allclose(before.residue, after.residue[-len(protein) :], atol=1e-9)
    assert torch.allclose(before.protein[0], after.protein[1], atol=1e-9)


def test_vocabularies_of_elements(siamdiff):
    """Selenium is known to plait and to Atom3D, and left out where atomic numbers are columns."""
    protein = siamdiff.protein("p1")
    element = protein.element.astype("U2")
    element[7] = "SE"
    protein = protein.replace(element=element)
    nodes = {}
    for vocabulary in ("plait", "atom3d", "atomic number"):
        encoder = GvpEncoder(GvpConfig(level="atom", layers=1, vocabulary=vocabulary))
        nodes[vocabulary] = encoder.prepare([protein]).element_column.tolist()
    atoms = len(protein.position)
    assert [len(columns) for columns in nodes.values()] == [atoms, atoms, atoms - 1]
    assert nodes["atom3d"][7] == 13
    assert nodes["atomic number"][:4] == [7, 6, 6, 8]


def test_what_does_not_fit_is_refused(siamdiff):
    weights, _, _ = siamdiff.encoder("gvp-atom")
    with pytest.raises(InputError, match="not the tensors of a published GVP"):
        GvpEncoder.from_published({"layers.0.linear.weight": torch.zeros(2, 2)})
    with pytest.raises(InputError, match=r"W_out\.1\.wh\.weight"):
        GvpEncoder.from_published({n: t for n, t in weights.items() if n != "W_out.1.wh.weight"})
    with pytest.raises(InputError, match="vocabulary"):
        dataclasses.replace(PUBLISHED, vocabulary="pdb")
    with pytest.raises(InputError, match="needs layers"):
        GvpConfig(layers=0)


@pytest.mark.parametrize(
    "config", [{}, {"level": "atom"}, {"level": "atom", "vocabulary": "atom3d"}, {"vocabulary": "atomic number"}]
)
def test_hidden_residues_do_not_show(config, siamdiff):
    """Another type and another side chain where the type is hidden: the batch stays the same."""
    protein = siamdiff.protein("p1")
    hidden = np.arange(len(protein)) % 3 == 0
    side = hidden[protein.residue_of] & ~np.isin(protein.atom_name, ("N", "CA", "C", "O"))
    fields = ("position", "atom_name", "element", "residue_of")
    changed = protein.replace(
        residue_type=np.where(hidden, (protein.residue_type + 5) % 21, protein.residue_type).astype(np.int8),
        **{name: getattr(protein, name)[~side] for name in fields},
    )
    encoder = GvpEncoder(GvpConfig(layers=1, **config))
    batches = [encoder.prepare([p], masked=[hidden]) for p in (protein, changed)]
    batches.append(encoder.prepare([protein], masked=[np.flatnonzero(hidden)]))
    # numbers of atoms count all that the protein has
    names = [f.name for f in dataclasses.fields(batches[0]) if f.name not in ("atom", "atom_offsets")]
    for name in names:
        first, *others = (getattr(batch, name) for batch in batches)
        assert all(first is other or torch.equal(first, other) for other in others), name
    assert (batches[0].residue_column == -1).any()
    assert not torch.equal(encoder.eval()(batches[0]).residue, encoder(encoder.prepare([protein])).residue)
