"""From proteins to what the language model reads: residue and structure tokens, padded at the last moment."""

import dataclasses
import zlib

import numpy as np
import torch

from plait import registry
from plait.encoders.prosst.configuration import ProsstConfig
from plait.errors import InputError
from plait.structure.protein import Protein
from plait.structure.vocabulary import RESIDUES, UNKNOWN, encode

VOCABULARY = ("<pad>", "<cls>", "<eos>", *RESIDUES[:UNKNOWN], "<unk>", "<mask>")
"""Published residue tokens (spec B2); the twenty residues stand in the order of plait's own vocabulary."""

PAD, CLS, EOS, FIRST_RESIDUE, UNK, MASK = 0, 1, 2, 3, 23, 24

FIRST_STRUCTURE = 3
"""Structure token 0 has this id; below it stand the ids of <pad>, <cls> and <eos>."""

RESIDUE_COLUMNS = slice(FIRST_RESIDUE, FIRST_RESIDUE + 20)
"""Columns of the logits that belong to the twenty residues, in the order of `vocabulary.RESIDUES`."""


@dataclasses.dataclass
class ProsstBatch:
    """Proteins as tokens, one after the other.

    Attributes
    ----------
    residue : int64 [R]
        Ids of the residues, without <cls> and <eos>.
    structure : int64 [R] or None
        Ids of the structure tokens; None for a model without structure.
    residue_offsets : int64 [B + 1]
        Protein b has the rows `residue_offsets[b] : residue_offsets[b + 1]`.
    """

    residue: torch.Tensor
    structure: torch.Tensor | None
    residue_offsets: torch.Tensor

    def to(self, device) -> "ProsstBatch":
        structure = None if self.structure is None else self.structure.to(device)
        return ProsstBatch(self.residue.to(device), structure, self.residue_offsets.to(device))

    def pad(self):
        """`input_ids`, `ss_input_ids` (or None) and `attention_mask`, int64 [B, L], with <cls> and <eos>."""
        lengths = self.residue_offsets.diff()
        shape = (len(lengths), int(lengths.max()) + 2)
        position = torch.arange(shape[1], device=self.residue.device)
        inside = (position >= 1) & (position <= lengths[:, None])  # (B, L)
        padded = []
        for ids in (self.residue, self.structure):
            if ids is None:
                padded.append(None)
                continue
            full = torch.full(shape, PAD, device=ids.device)
            full[:, 0] = CLS
            full[inside] = ids
            full[position == lengths[:, None] + 1] = EOS
            padded.append(full)
        return *padded, (position < lengths[:, None] + 2).long()

    def unpad(self, x):
        """The rows [R, ...] of residues of a padded tensor [B, L, ...]."""
        lengths = self.residue_offsets.diff()
        position = torch.arange(x.shape[1], device=x.device)
        return x[(position >= 1) & (position <= lengths[:, None])]


def prepare(config: ProsstConfig, proteins, *, tokenizer=None, structure_tokens=None, masked=None) -> ProsstBatch:
    """The batch of some proteins.

    Several chains of a protein are read as one sequence, in file order, as the published program does.

    Parameters
    ----------
    proteins : sequence of Protein or of str
        A str is a sequence of one-letter codes, for which `structure_tokens` must be given.
    tokenizer : plait.tokenizers.base.Tokenizer, optional
        Gives the structure tokens where they are not given.
    structure_tokens : sequence of int [L], optional
        Tokens of each protein in [0, K]; K stands for unknown.
    masked : sequence of (bool [L] or indices or None), optional
        Residues of each protein that are replaced by <mask>.

    Raises
    ------
    InputError
        If there is no way to structure tokens that the model needs, or they do not fit the residues.
    """
    if len(proteins) == 0:
        raise InputError("no protein was given", expected="one or more")
    sequences = [p.sequence if isinstance(p, Protein) else p for p in proteins]
    names = [_name(p, number) for number, p in enumerate(proteins)]
    residue = [residue_ids(sequence) for sequence in sequences]
    for number, positions in enumerate(masked if masked is not None else ()):
        if positions is not None:
            residue[number][_checked_positions(positions, len(residue[number]), names[number])] = MASK
    structure = None
    if config.has_structure:
        if structure_tokens is None:
            structure_tokens = _tokens(config, proteins, sequences, tokenizer)
        if len(structure_tokens) != len(proteins):
            raise InputError(
                "structure tokens were given for another number of proteins",
                got=len(structure_tokens),
                expected=len(proteins),
            )
        structure = []
        for name, ids, tokens in zip(names, residue, structure_tokens, strict=True):
            tokens = np.asarray(tokens)
            if tokens.shape != ids.shape:
                raise InputError(
                    "structure tokens and residues differ in number",
                    file=name,
                    got=f"{tokens.size} tokens for {len(ids)} residues",
                    expected="one token for each residue",
                )
            structure.append(structure_ids(tokens, config, name))
        structure = torch.from_numpy(np.concatenate(structure))
    offsets = np.concatenate(([0], np.cumsum([len(ids) for ids in residue])))
    return ProsstBatch(torch.from_numpy(np.concatenate(residue)), structure, torch.from_numpy(offsets))


def residue_ids(sequence: str) -> np.ndarray:
    """Ids int64 [L] of one-letter codes, one for each; any letter beside the twenty is <unk>.

    The published tokenizer makes one <unk> of a run of unknown letters, which shifts all that follows (spec B2).
    """
    return encode(sequence).astype(np.int64) + FIRST_RESIDUE


def structure_ids(tokens, config: ProsstConfig, name=None) -> np.ndarray:
    """Ids int64 [L] of structure tokens in [0, K].

    The unknown token K has the last row of the table in our models. Published tables have no such row: there it is
    read as padding (id 0), the one row that no residue was trained on.
    """
    tokens = np.asarray(tokens, dtype=np.int64)
    states = config.structure_states
    if tokens.size and (tokens.min() < 0 or tokens.max() > states):
        raise InputError(
            "structure token out of range",
            file=name,
            got=int(tokens.min() if tokens.min() < 0 else tokens.max()),
            expected=f"0 to {states} ({states} stands for unknown)",
            do="Is this the tokenizer that the model was trained with?",
        )
    ids = tokens + FIRST_STRUCTURE
    if not config.unknown_structure:
        ids[tokens == states] = PAD
    return ids


def random_structure_tokens(sequence: str, states: int) -> np.ndarray:
    """Tokens int64 [L] that know nothing of the structure: drawn anew for each sequence, the same for the same one."""
    return np.random.default_rng(zlib.crc32(sequence.encode())).integers(0, states, len(sequence))


def _tokens(config, proteins, sequences, tokenizer):
    if config.tokenizer == "random":
        return [random_structure_tokens(sequence, config.structure_states) for sequence in sequences]
    if not all(isinstance(protein, Protein) for protein in proteins):
        raise InputError("a sequence has no structure tokens", expected="structure_tokens, or a Protein")
    if tokenizer is None:
        tokenizer = _default_tokenizer(config)
    if tokenizer.size != config.structure_states:
        raise InputError(
            "the tokenizer is not the model's",
            got=f"{tokenizer.size} states",
            expected=f"{config.structure_states} states ({config.tokenizer})",
        )
    return tokenizer.batch(proteins)


def _default_tokenizer(config):
    """The tokenizer that the config names, if there is nothing in it to be fitted."""
    cls = registry.get("tokenizer", config.tokenizer)
    # one that is fitted has as many states as it was fitted with, and its class cannot say how many
    if not isinstance(getattr(cls, "size", None), int):
        raise InputError(
            "this model reads structure tokens and has no tokenizer",
            expected=f"a fitted tokenizer {config.tokenizer!r}",
            do="Set the model's tokenizer, or give structure_tokens.",
        )
    return cls(cls.Config())


def _checked_positions(positions, length, name):
    positions = np.asarray(positions)
    if positions.dtype == bool:
        if positions.shape != (length,):
            raise InputError("mask and residues differ in number", file=name, got=positions.size, expected=length)
        return positions
    positions = positions.astype(np.int64).reshape(-1)
    if positions.size and (positions.min() < 0 or positions.max() >= length):
        raise InputError(
            "masked position out of range", file=name, got=positions.tolist(), expected=f"0 to {length - 1}"
        )
    return positions


def _name(protein, number):
    return getattr(protein, "source", "") or f"protein {number}"
