"""GVP tokenizers against the published program, and what they promise beyond it."""

import dataclasses
import json
import lzma
import shutil

import numpy as np
import pytest
import reference_gvp
import torch
from safetensors.torch import load_file, save_file

from plait.errors import InputError
from plait.structure.protein import Protein
from plait.tokenizers.codebook import Codebook
from plait.tokenizers.gvp import ChainGVPTokenizer, GVPTokenizer
from plait.tokenizers.gvp_features import graph_features
from plait.tokenizers.gvp_network import PUBLISHED, GVPEncoder, GVPEncoderConfig
from plait.tokenizers.gvp_published import encoder_from_tensors
from plait.tokenizers.gvp_subgraphs import embed_subgraphs, neighbourhoods

FAST = ["p1", "1orc", "ggg", "pep20", "6mrr", "5l33", "1lds"]
SLOW = ["grb2_af", "1s3pA", "2pe5B", "3eiy", "1qg8", "3htn", "5jzy", "af_A0A1B0GTW7", "6w70"]
CASES = FAST + [pytest.param(name, marks=pytest.mark.slow) for name in SLOW]


@pytest.fixture(scope="module")
def published_file(oracle, tmp_path_factory):
    file = tmp_path_factory.mktemp("published") / "encoder.safetensors"
    with lzma.open(oracle / "prosst/quant/encoder.safetensors.xz") as packed:
        file.write_bytes(packed.read())
    return file


@pytest.fixture(scope="module")
def published(oracle, published_file):
    return GVPTokenizer.from_published(published_file, oracle / "prosst/quant/codebooks/2048.npy")


@pytest.fixture(scope="module")
def case(oracle):
    """A function: the protein of an oracle case and what is expected of it."""
    chains = json.loads((oracle / "prosst/quant/cases.json").read_text())["cases"]

    def read(name):
        expected = np.load(oracle / f"prosst/quant/expected/{name}.npz")
        backbone = (expected["coords_milliangstrom"] / 1000).astype(np.float32)
        protein = Protein.from_backbone(chains[name]["sequence"], backbone, source=name)
        lengths = chains[name]["chains"]
        return protein.replace(chain=np.repeat(list(lengths), list(lengths.values()))), expected

    return read


@pytest.fixture(scope="module")
def chain_tokenizer():
    return ChainGVPTokenizer.random(0)


@pytest.mark.parametrize("name", CASES)
def test_embeddings_and_tokens_are_the_published_ones(name, case, published, oracle):
    protein, expected = case(name)
    embedding = published.embed(protein)
    # float32 rounding of six layers; the published program differs from its own float64 by as much
    np.testing.assert_allclose(embedding, expected["embeddings"], atol=1e-6)
    for size in (20, 128, 2048):
        codebook = Codebook.load(oracle / f"prosst/quant/codebooks/{size}.npy")
        assert (expected[f"margin_{size}"] > 1e-5).all()
        assert (codebook.assign(embedding) == expected[f"tokens_{size}"]).all()
    assert (published(protein) == expected["tokens_2048"]).all()


@pytest.mark.parametrize("name", ["p1", "ggg", "pep20", "5jzy"])
def test_sizes_of_subgraphs_are_the_published_ones(name, case):
    protein, expected = case(name)
    around = neighbourhoods(protein.c_alpha, 10.0, 40)
    sizes = np.diff(around.offsets)[around.of]
    assert (sizes == expected["subgraph_nodes"]).all()
    graph = graph_features(protein.backbone, compat=True)
    edges = np.stack([graph.source.numpy(), graph.target.numpy()])
    for residue in range(0, len(protein), 7):
        members = around.members[around.offsets[around.of[residue]] : around.offsets[around.of[residue] + 1]]
        assert np.isin(edges, members).all(axis=0).sum() == expected["subgraph_edges"][residue]


def test_the_transcription_is_the_published_program(case, published_file, published):
    protein, expected = case("1orc")
    embedding = reference_gvp.embed(
        load_file(published_file), *reference_gvp.subgraphs(torch.from_numpy(protein.backbone.copy()))
    )
    np.testing.assert_allclose(embedding, expected["embeddings"], atol=1e-6)  # float32 rounding


def test_neighbourhoods_by_brute_force(case):
    protein, _ = case("5jzy")
    points = protein.c_alpha.astype(np.float64)
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    for radius, size, chain in ((10.0, 40, None), (12.0, 16, None), (10.0, 40, protein.chain)):
        around = neighbourhoods(protein.c_alpha, radius, size, chain)
        for residue, row in enumerate(distance):
            near = [
                i
                for i in np.argsort(row, kind="stable")
                if row[i] < radius and (chain is None or chain[i] == chain[residue])
            ][:size]
            number = around.of[residue]
            found = around.members[around.offsets[number] : around.offsets[number + 1]]
            assert found.tolist() == sorted(near)


def test_any_encoder_on_subgraphs_is_the_encoder_on_each(case):
    """Sharing work between subgraphs changes nothing, whatever the sizes of the network."""
    protein, _ = case("pep20")
    torch.manual_seed(0)
    sizes = {"node_hidden": (10, 6), "edge_hidden": (7, 3)}
    for config in (
        GVPEncoderConfig(**sizes, layers=1, neighbours=None),
        GVPEncoderConfig(**sizes, layers=3, message_layers=4, neighbours=6),
    ):
        encoder = GVPEncoder(config).eval()
        graph = graph_features(protein.backbone, neighbours=config.neighbours)
        around = neighbourhoods(protein.c_alpha, 9.0, 12)
        together = embed_subgraphs(encoder, graph, around)
        for number in range(len(around.offsets) - 1):
            members = torch.from_numpy(around.members[around.offsets[number] : around.offsets[number + 1]])
            place = torch.full((len(graph),), -1)
            place[members] = torch.arange(len(members))
            kept = (place[graph.source] >= 0) & (place[graph.target] >= 0)
            target = place[graph.target[kept]]
            alone = dataclasses.replace(
                graph,
                node_vector=graph.node_vector[members],
                source=place[graph.source[kept]],
                target=target,
                offsets=torch.searchsorted(target, torch.arange(len(members) + 1)),
                edge_scalar=graph.edge_scalar[kept],
                edge_vector=graph.edge_vector[kept],
            )
            with torch.no_grad():
                # the same float32 sums in another order
                torch.testing.assert_close(encoder(alone).mean(dim=0), together[number], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("which", ["published", "chain_tokenizer"])
def test_tokens_do_not_depend_on_threads(which, case, request):
    tokenizer = request.getfixturevalue(which)
    protein, _ = case("1lds")
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(tokenizer(protein))
    finally:
        torch.set_num_threads(before)
    assert (found[0] == found[1]).all()


@pytest.mark.parametrize("which", ["published", "chain_tokenizer"])
def test_turning_and_moving_changes_nothing(which, case, request):
    tokenizer = request.getfixturevalue(which)
    protein, _ = case("1orc")
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    moved = protein.with_positions(protein.position.astype(float) @ turn.T + [20, 30, -10])
    # coordinates of tens of angstrom in float32 are good to 4e-6; features are differences of them
    np.testing.assert_allclose(tokenizer.embed(moved), tokenizer.embed(protein), atol=2e-5)
    assert (tokenizer(moved) == tokenizer(protein)).all()


@pytest.mark.slow
@pytest.mark.parametrize("compat", [False, True])
def test_chains_are_apart_unless_published(compat, case, published):
    protein, _ = case("5jzy")
    tokenizer = GVPTokenizer(published.encoder, published.codebook, GVPTokenizer.Config(compat=compat))
    together = tokenizer.embed(protein)
    alone = np.concatenate([tokenizer.embed(protein.select_chain(chain)) for chain in protein.chains])
    same = np.abs(together - alone).max(axis=1) < 1e-5  # float32 rounding
    assert same.all() != compat


def test_chains_are_apart_also_in_whole_chains(case, chain_tokenizer):
    protein, _ = case("3htn")
    together = chain_tokenizer(protein)
    alone = [chain_tokenizer(protein.select_chain(chain)) for chain in protein.chains]
    assert (together == np.concatenate(alone)).all()


@pytest.mark.parametrize("which", ["published", "chain_tokenizer"])
def test_a_residue_without_backbone_is_unknown_and_disturbs_no_distant_one(which, case, request):
    tokenizer = request.getfixturevalue(which)
    if which == "published":
        tokenizer = GVPTokenizer(tokenizer.encoder, tokenizer.codebook)
    protein, _ = case("6w70")
    kept = ~((protein.residue_of == 60) & (protein.atom_name == "C"))
    holed = protein.replace(
        **{name: getattr(protein, name)[kept] for name in ("position", "atom_name", "element", "residue_of")}
    )
    before, after = tokenizer(protein), tokenizer(holed)
    assert after[60] == tokenizer.unknown == tokenizer.size
    assert np.isnan(tokenizer.embed(holed)[60]).all()
    distance = np.linalg.norm(protein.c_alpha - protein.c_alpha[60], axis=1)
    far = distance > (tokenizer.reach if which == "published" else 30.0)
    assert far.sum() > 5
    assert (before[far] == after[far]).all()


@pytest.mark.parametrize("which", ["published", "chain_tokenizer"])
def test_odd_proteins(which, case, request):
    tokenizer = request.getfixturevalue(which)
    protein, _ = case("ggg")
    assert tokenizer(protein.select([False, True, False])).shape == (1,)
    assert tokenizer(protein.select([False] * 3)).tolist() == []
    bare = Protein.from_backbone("GG", np.full((2, 3, 3), np.nan))
    assert tokenizer(bare).tolist() == [tokenizer.unknown] * 2
    one_place = Protein.from_backbone("AAAA", np.zeros((4, 3, 3)))
    assert (tokenizer(one_place) < tokenizer.size).all()


def test_three_residues_in_compat_and_out_of_it(case, published):
    protein, expected = case("ggg")
    tokenizer = GVPTokenizer(published.encoder, published.codebook)
    assert np.abs(tokenizer.embed(protein) - expected["embeddings"]).max() > 1e-3


@pytest.mark.parametrize("which", ["published", "chain_tokenizer"])
def test_save_and_load(which, case, request, tmp_path):
    tokenizer = request.getfixturevalue(which)
    protein, _ = case("1orc")
    tokenizer.save(tmp_path / "a")
    again = type(tokenizer).load(tmp_path / "a")
    assert again.config == tokenizer.config
    assert (again.embed(protein) == tokenizer.embed(protein)).all()
    assert (again(protein) == tokenizer(protein)).all()
    assert sorted(file.name for file in (tmp_path / "a").iterdir()) == [
        "centres.npy",
        "config.json",
        "encoder.safetensors",
    ]


def test_broken_folders_are_refused(chain_tokenizer, tmp_path):
    chain_tokenizer.save(tmp_path / "good")

    def broken(name):
        return shutil.copytree(tmp_path / "good", tmp_path / name)

    folder = broken("key")
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"pooling"', '"poling"'))
    with pytest.raises(InputError, match="poling"):
        ChainGVPTokenizer.load(folder)
    with pytest.raises(InputError, match="another tokenizer"):
        GVPTokenizer.load(tmp_path / "good")
    folder = broken("centres")
    np.save(folder / "centres.npy", np.zeros((4, 7), np.float32))
    with pytest.raises(InputError, match="do not fit"):
        ChainGVPTokenizer.load(folder)
    folder = broken("weights")
    (folder / "encoder.safetensors").unlink()
    with pytest.raises(InputError, match="no such file"):
        ChainGVPTokenizer.load(folder)


def test_fit_makes_a_codebook_of_the_embeddings(case):
    encoder = GVPEncoder(GVPEncoderConfig(node_hidden=(16, 4), layers=1))
    proteins = [case(name)[0] for name in ("1orc", "6mrr", "p1")]
    tokenizer = ChainGVPTokenizer.fit(encoder, proteins, 12, seed=1)
    tokens = np.concatenate(tokenizer.batch(proteins))
    assert len(np.unique(tokens)) == 12 == tokenizer.size


def test_pooling_is_the_mean_of_the_neighbourhood(case, chain_tokenizer):
    protein, _ = case("pep20")
    config = dataclasses.replace(chain_tokenizer.config, pooling="none")
    own = ChainGVPTokenizer(chain_tokenizer.encoder, chain_tokenizer.codebook, config)
    graph = graph_features(protein.backbone, neighbours=16)
    with torch.no_grad():
        scalar = chain_tokenizer.encoder(graph).numpy()
    np.testing.assert_allclose(
        own.embed(protein), scalar / np.linalg.norm(scalar, axis=1, keepdims=True), atol=1e-6
    )  # float32 rounding of numbers below one
    points = protein.c_alpha
    mean = np.stack([scalar[np.linalg.norm(points - point, axis=1) < 10].mean(axis=0) for point in points])
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(chain_tokenizer.embed(protein), mean, atol=1e-6)


# -- published weights


def tensors_of(published_file):
    return load_file(published_file)


def test_published_tensors_are_taken_strictly(published_file, tmp_path):
    tensors = tensors_of(published_file)
    assert len(tensors) == 210
    del tensors["layers.3.conv.message_func.1.wv.weight"]
    with pytest.raises(InputError, match=r"missing.*layers\.3\.conv\.message_func\.1\.wv\.weight"):
        encoder_from_tensors(tensors)
    tensors = tensors_of(published_file)
    tensors["layers.6.norm.0.scalar_norm.bias"] = torch.zeros(256)
    with pytest.raises(InputError, match=r"layers\.6\.norm"):
        encoder_from_tensors(tensors)
    tensors = tensors_of(published_file)
    tensors["W_v.1.wh.weight"] = torch.zeros(32, 4)
    with pytest.raises(InputError, match=r"\(32, 4\).*\(32, 3\)"):
        encoder_from_tensors(tensors)
    tensors = tensors_of(published_file)
    tensors["dense.0.bias"][3] = float("nan")
    with pytest.raises(InputError, match="not finite"):
        encoder_from_tensors(tensors)


def test_published_files_are_checked_at_the_door(published_file, oracle, tmp_path):
    centres = oracle / "prosst/quant/codebooks/20.npy"
    with pytest.raises(InputError, match="no such file"):
        GVPTokenizer.from_published(tmp_path / "absent.safetensors", centres)
    pickled = tmp_path / "AE.pt"
    torch.save({"a": torch.zeros(2)}, pickled)
    with pytest.raises(InputError, match=r"a pickle.*plait models convert"):
        GVPTokenizer.from_published(pickled, centres)
    np.save(tmp_path / "narrow.npy", np.zeros((20, 64)))
    with pytest.raises(InputError, match="256"):
        GVPTokenizer.from_published(published_file, tmp_path / "narrow.npy")
    save_file({"centres": torch.from_numpy(np.load(centres))}, tmp_path / "centres.safetensors")
    tokenizer = GVPTokenizer.from_published(published_file, tmp_path / "centres.safetensors")
    assert tokenizer.size == 20
    assert tokenizer.config.encoder == PUBLISHED
