"""Structure tokens of files: one record per chain."""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from plait.errors import PlaitError, unknown_name
from plait.structure.files import stem, structure_files
from plait.structure.protein import Protein
from plait.structure.reading import read_structure
from plait.tokenizers.base import Tokenizer
from plait.tokenizers.saving import load_tokenizer
from plait.workers import in_order


@dataclasses.dataclass(frozen=True, eq=False)
class ChainTokens:
    """Tokens of one chain.

    Attributes
    ----------
    file : str
        The path as given, or `Protein.source`.
    chain : str
        Author identifier.
    sequence : str
        One letter a residue.
    tokens : int64 [L]
    author_numbers : tuple of str
        Residue numbers of the file with insertion codes, "52A".
    letters : str or None
        The tokens as letters, where the tokenizer has such.
    """

    file: str
    chain: str
    sequence: str
    tokens: np.ndarray
    author_numbers: tuple[str, ...]
    letters: str | None = None

    @property
    def name(self) -> str:
        """ "1ubi_A" for chain A of 1ubi.pdb.gz."""
        return f"{stem(self.file)}_{self.chain}"

    def __len__(self) -> int:
        return len(self.tokens)


def tokens(structures, tokenizer="gvp-chain", chain: str | None = None) -> list[ChainTokens]:
    """Structure tokens of every protein chain.

    Parameters
    ----------
    structures : Protein, path, or an iterable of such
        A folder stands for the structure files in it, sorted.
    tokenizer : str, path or Tokenizer
        A registered name, or the folder of a tokenizer.
    chain : str, optional
        Only the chain of this author (or else label) identifier.

    Raises
    ------
    InputError
        If a structure cannot be read, or there is no such tokenizer.
    """
    if isinstance(structures, Protein | str | os.PathLike):
        structures = [structures]
    tokenizer = load_tokenizer(tokenizer)
    found: list[ChainTokens] = []
    for structure in structures:
        if isinstance(structure, Protein):
            found += _tokenise(structure, structure.source, tokenizer, chain)
        else:
            for file in structure_files([structure]):
                found += _tokenise(read_structure(file, chain=chain), str(file), tokenizer)
    return found


def tokenise_files(
    files: Iterable,
    tokenizer: Tokenizer,
    chain: str | None = None,
    *,
    report: Callable[[PlaitError], None],
    workers: int = 1,
    progress: Callable[[Iterator], Iterator] = iter,
) -> Iterator[ChainTokens]:
    """Tokens of the chains of many files, file by file in order. A file that fails is reported and passed over.

    Parameters
    ----------
    report : callable
        Is called with the error of each file that fails, an `InputError` where the user can mend it.
    workers : int
        Processes; see `plait.workers.in_order`.
    progress : callable
        Wraps what is counted: one item a file.
    """
    for found in progress(in_order(functools.partial(_tokenise_file, tokenizer, chain), files, workers)):
        if isinstance(found, PlaitError):
            report(found)
        else:
            yield from found


def _tokenise_file(tokenizer: Tokenizer, chain: str | None, file) -> list[ChainTokens] | PlaitError:
    try:
        return _tokenise(read_structure(file, chain=chain), str(file), tokenizer)
    except PlaitError as error:
        return error
    except Exception as error:  # one file must not cost the others
        return PlaitError(f"{file}: internal error, {type(error).__name__}: {error}")


def _tokenise(protein: Protein, file: str, tokenizer: Tokenizer, chain: str | None = None) -> list[ChainTokens]:
    if chain is not None:
        if chain not in protein.chains:
            raise unknown_name("chain", chain, protein.chains, file=file or None)
        protein = protein.select_chain(chain)
    states = tokenizer(protein)
    found = []
    for name in protein.chains:
        here = np.flatnonzero(protein.chain == name)
        found.append(
            ChainTokens(
                file=file,
                chain=name,
                sequence="".join(np.array(list(protein.sequence))[here]),
                tokens=states[here],
                author_numbers=tuple(protein.residue_label(index) for index in here),
                letters=tokenizer.letters(states[here]) if hasattr(tokenizer, "letters") else None,
            )
        )
    return found
