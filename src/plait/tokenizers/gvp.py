"""Structure tokens from the GVP encoder: by a subgraph per residue as published, or by the whole chain at once."""

import dataclasses
from abc import abstractmethod
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from plait.config import option
from plait.data.tensors import read_tensors, write_tensors
from plait.errors import InputError
from plait.references import PROSST
from plait.registry import register
from plait.structure.protein import Protein
from plait.tokenizers.base import Tokenizer
from plait.tokenizers.codebook import Codebook
from plait.tokenizers.gvp_features import Graph, graph_features, segments
from plait.tokenizers.gvp_network import PUBLISHED, GVPEncoder, GVPEncoderConfig, segment_mean
from plait.tokenizers.gvp_published import encoder_from_tensors
from plait.tokenizers.gvp_subgraphs import Neighbourhoods, embed_subgraphs, neighbourhoods
from plait.tokenizers.saving import load_config, save_config


class EncoderTokenizer(Tokenizer):
    """A tokenizer made of a GVP encoder, a way to embed residues with it, and a codebook of embeddings."""

    def __init__(self, encoder: GVPEncoder, codebook: Codebook, config=None):
        self.encoder, self.codebook = encoder.eval(), codebook
        self.config = dataclasses.replace(config or self.Config(), encoder=encoder.config)
        self.size = len(codebook)

    def __call__(self, protein: Protein) -> np.ndarray:
        return self.codebook.assign(self.embed(protein))

    def embed(self, protein: Protein) -> np.ndarray:
        """float32 [R, S], each row of length one; NaN for residues without N, CA and C."""
        return self.embed_with(self.encoder, protein, self.config)

    @classmethod
    @torch.inference_mode()
    def embed_with(cls, encoder: GVPEncoder, protein: Protein, config=None) -> np.ndarray:
        """`embed` of an encoder that has no codebook yet; it must be in evaluation mode."""
        config = config or cls.Config(encoder=encoder.config)
        graph, around = _surroundings(protein, config, encoder.config)
        embedding = np.full((len(protein), encoder.config.node_hidden[0]), np.nan, np.float32)
        if len(graph):
            pooled = F.normalize(cls._pool(encoder, graph, around, config), dim=1)
            embedding[graph.residue.numpy()] = pooled.numpy()
        return embedding

    @classmethod
    @abstractmethod
    def _pool(cls, encoder: GVPEncoder, graph: Graph, around: Neighbourhoods, config) -> torch.Tensor:
        """One vector for each node, of any length: float32 [n, S]."""

    @classmethod
    def fit(cls, encoder: GVPEncoder, proteins, size: int, config=None, *, seed: int = 0) -> "EncoderTokenizer":
        """The tokenizer whose codebook of `size` centres is fitted on the embeddings of these proteins."""
        encoder.eval()
        embeddings = [cls.embed_with(encoder, protein, config) for protein in proteins]
        width = encoder.config.node_hidden[0]
        embedding = np.concatenate([*embeddings, np.zeros((0, width), np.float32)])
        return cls(encoder, Codebook.fit(embedding, size, seed=seed), config)

    @classmethod
    def random(cls, seed: int = 0, size: int = 32) -> "EncoderTokenizer":
        """A tokenizer with weights that a seed draws, for tests and comparisons.

        Its centres are embeddings, far from one another, of a random coil.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = GVPEncoder(cls.Config().encoder).eval()
        generator = np.random.default_rng(seed)
        steps = generator.normal(size=(300, 3))
        c_alpha = np.cumsum(3.8 * steps / np.linalg.norm(steps, axis=1, keepdims=True), axis=0)
        n, c = (c_alpha + generator.normal(0, 0.9, c_alpha.shape) for _ in range(2))
        coil = Protein.from_backbone("A" * 300, np.stack([n, c_alpha, c], axis=1))
        embedding = cls.embed_with(encoder, coil)
        chosen = [0]
        distance = np.full(len(embedding), np.inf)
        for _ in range(size - 1):
            distance = np.minimum(distance, ((embedding - embedding[chosen[-1]]) ** 2).sum(axis=1))
            chosen.append(int(distance.argmax()))
        return cls(encoder, Codebook(embedding[chosen]))

    @classmethod
    def default(cls) -> "EncoderTokenizer":
        """The tokenizer of this kind that comes with a model that ships with plait.

        Raises
        ------
        InputError
            If none does.
        """
        for file in sorted((Path(__file__).parents[1] / "weights").glob("*/tokenizer/config.json")):
            if f'"{cls.name}"' in file.read_text(encoding="utf-8"):
                return cls.load(file.parent)
        raise InputError(
            f"no weights of the tokenizer {cls.name!r} ship with plait",
            do="Give the folder of a tokenizer, made by `plait fit-tokenizer` or `plait models convert`.",
        )

    def save(self, folder) -> None:
        """Write config.json, encoder.safetensors and centres.npy into a folder.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_tensors(self.encoder.state_dict(), folder / "encoder.safetensors")
            self.codebook.save(folder / "centres.npy")
        except OSError as error:
            raise InputError("the folder cannot be written", file=folder, got=error.strerror) from None
        save_config(self, folder)

    @classmethod
    def load(cls, folder) -> "EncoderTokenizer":
        """The tokenizer that `save` wrote.

        Raises
        ------
        InputError
            If a file is missing, is another tokenizer's, or holds something else.
        """
        folder = Path(folder)
        config = load_config(cls, folder)
        weights, centres = folder / "encoder.safetensors", folder / "centres.npy"
        encoder = encoder_from_tensors(read_tensors(weights), config.encoder, file=weights)
        codebook = Codebook.load(centres)
        width = config.encoder.node_hidden[0]
        if codebook.centres.shape[1] != width:
            raise InputError(
                "codebook and encoder do not fit", file=centres, got=codebook.centres.shape, expected=f"(K, {width})"
            )
        return cls(encoder, codebook, config)


def _surroundings(protein: Protein, config, encoder: GVPEncoderConfig) -> tuple[Graph, Neighbourhoods]:
    """The graph of all residues with a backbone, and the neighbourhood of each."""
    compat = getattr(config, "compat", False)
    joined = compat or getattr(config, "join_chains", False)
    segment = None
    if not compat:
        segment = segments(protein.backbone, protein.chain)
        if not config.see_gaps:
            segment = np.unique(protein.chain, return_inverse=True)[1]
    graph = graph_features(
        protein.backbone,
        None if joined else protein.chain,
        segment=segment,
        radius=encoder.radius,
        neighbours=encoder.neighbours,
        compat=compat,
    )
    residue = graph.residue.numpy()
    chain = None if joined else protein.chain[residue]
    return graph, neighbourhoods(protein.c_alpha[residue], config.radius, config.neighbours, chain)


@register("tokenizer")
class GVPTokenizer(EncoderTokenizer):
    """Tokens as ProSST makes them: the residues around each one are a graph of their own.

    A residue's token depends on residues within `radius` of it and on nothing else. `from_published` takes published
    weights and, unless told otherwise, treats chains and gaps as the published program does.
    """

    name = "gvp"
    summary = "ProSST's structure tokens: a GVP encoder on the subgraph around each residue, and a codebook"
    reference = PROSST.at("section 3.1, structure quantization")
    reach = 14.0
    """Radius, and the residue after one at that distance, which decides its forward vector."""

    @dataclasses.dataclass(frozen=True)
    class Config:
        encoder: GVPEncoderConfig = option(PUBLISHED, "the network")
        radius: float = option(10.0, "a residue's subgraph reaches to this C-alpha distance (angstrom)")
        neighbours: int = option(40, "and has at most so many residues, itself among them")
        see_gaps: bool = option(True, "directions and offsets in sequence end at chain breaks")
        join_chains: bool = option(False, "chains stand in each other's surroundings")
        compat: bool = option(False, "as published: all chains are one, and breaks are not seen")

    @classmethod
    def from_published(cls, encoder, centres, *, compat: bool = True) -> "GVPTokenizer":
        """The tokenizer of published weights.

        Parameters
        ----------
        encoder : path
            safetensors with the tensors of `AE.pt` under their names.
        centres : path
            The codebook's centres [K, 256], .npy or .safetensors.
        compat : bool
            As published: the residues of all chains are one list, "next" is next in that list, and gaps are not
            seen. False: chains apart and gaps seen, as by our own tokenizers.

        Raises
        ------
        InputError
            If a file is missing or holds something else.
        """
        network = encoder_from_tensors(read_tensors(encoder), PUBLISHED, file=encoder)
        codebook = Codebook.load(centres)
        width = PUBLISHED.node_hidden[0]
        if codebook.centres.shape[1] != width:
            raise InputError(
                "not a codebook of the published encoder",
                file=centres,
                got=codebook.centres.shape,
                expected=f"(K, {width})",
            )
        return cls(network, codebook, cls.Config(compat=compat))

    @classmethod
    def _pool(cls, encoder, graph, around, config):
        return embed_subgraphs(encoder, graph, around)[torch.from_numpy(around.of)]


@register("tokenizer")
class ChainGVPTokenizer(EncoderTokenizer):
    """Our own structure tokens: the encoder sees the whole chain once, and each residue's surroundings are averaged.

    A residue's token depends on residues within `radius`, and on what these hear in as many steps as the encoder has
    layers.
    """

    name = "gvp-chain"
    summary = "structure tokens of a GVP encoder that sees the whole chain once, averaged around each residue"
    reference = PROSST.at("section 3.1, structure quantization")

    @dataclasses.dataclass(frozen=True)
    class Config:
        encoder: GVPEncoderConfig = option(GVPEncoderConfig(), "the network")
        pooling: Literal["mean", "none"] = option("mean", "of the encoder's output around a residue; none: its own")
        radius: float = option(10.0, "residues are around one up to this C-alpha distance (angstrom)")
        neighbours: int = option(40, "and at most so many of them, itself among them")
        see_gaps: bool = option(True, "directions and offsets in sequence end at chain breaks")

    @classmethod
    def _pool(cls, encoder, graph, around, config):
        scalar = encoder(graph)
        if config.pooling == "none":
            return scalar
        pooled = segment_mean(scalar, torch.from_numpy(around.offsets), torch.from_numpy(around.members))
        return pooled[torch.from_numpy(around.of)]
