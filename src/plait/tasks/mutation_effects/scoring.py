"""`plait.score`: from a structure, a model and mutations, each as the user has it, to their scores."""

import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path

from plait.data.alignment_files import Alignment, read_alignment
from plait.data.digests import file_digest
from plait.data.mutation_table import read_mutation_table
from plait.data.mutations import parse_mutants
from plait.errors import InputError, unknown_name
from plait.structure.protein import Protein
from plait.tasks.mutation_effects.result import ScoreResult
from plait.tasks.mutation_effects.task import Config, MutationEffects


def score(
    structure,
    *,
    chain: str | None = None,
    mutations: str | Iterable[str] | None = None,
    csv: str | Path | None = None,
    model=None,
    tokenizer: str | Path | None = None,
    msa: str | Path | Alignment | None = None,
    numbering: str = "sequence",
    multi: str = "additive",
    structure_model: int = 1,
) -> ScoreResult:
    """Score the mutations of a protein: `plait.score("1ubq.cif").table`.

    Parameters
    ----------
    structure : path or Protein
    chain : str, optional
        Author or label identifier of the chain; every protein chain if not given.
    mutations : str or iterable of str, optional
        `"A24C,D30E:K31R"` or a list of mutants; every single substitution if neither this nor `csv` is given.
    csv : path, optional
        A table with a column `mutant`; its other columns are kept.
    model : str, path or Model, optional
        Name, folder or hub id; the bundled model if not given.
    tokenizer : path, optional
        Folder of the structure tokenizer, for models published without one.
    msa : path or Alignment, optional
        Aligned homologs (a3m, a2m, aligned FASTA) to weigh in; see `plait.data.site_profiles.mixed`.
    numbering : {"sequence", "author"}
        What the positions of mutations count, given and written.
    multi : {"additive", "joint"}
        Several substitutions in one mutant: sum of the singles, or all positions masked together.
    structure_model : int
        Number of the model in a file that has several.

    Returns
    -------
    ScoreResult

    Raises
    ------
    InputError
        For whatever of the input the user can mend.
    """
    task = MutationEffects(Config(numbering=numbering, multi=multi))
    mutants, columns, alignment, source, timings = None, {}, None, {}, {}
    if mutations is not None and csv is not None:
        raise InputError("mutations both in a list and in a file", expected="one of the two")
    if csv is not None:
        given = read_mutation_table(csv)
        mutants, columns = given.mutants, given.columns
        source["mutations"] = file_digest(csv)
    elif mutations is not None:
        mutants = parse_mutants(mutations)
    if msa is not None:
        started = time.perf_counter()
        alignment = msa if isinstance(msa, Alignment) else read_alignment(msa)
        source["alignment"] = {"file": alignment.file, "sha256": alignment.sha256}
        timings["read alignment"] = time.perf_counter() - started
    started = time.perf_counter()
    if isinstance(structure, Protein):
        protein = structure if chain is None else _chain_of(structure, chain)
        source["structure"] = {"file": protein.source, "sha256": None}
    else:
        from plait.structure.reading import read_structure

        protein = read_structure(structure, chain=chain, model=structure_model)
        source["structure"] = file_digest(structure)
    timings["read structure"] = time.perf_counter() - started
    started = time.perf_counter()
    if model is None or isinstance(model, str | Path):
        from plait.models.loading import load

        model = load(model, tokenizer=tokenizer)
    timings["load model"] = time.perf_counter() - started
    started = time.perf_counter()
    try:
        result = task(model, protein, mutants, columns, alignment)
    except InputError as error:
        raise error.at(file=csv if csv is not None and error.place else protein.source or None) from None
    timings["score"] = time.perf_counter() - started
    arguments = {
        "tokenizer": None if tokenizer is None else str(tokenizer),
        "chain": chain,
        "mutations": mutations if mutations is None or isinstance(mutations, str) else [m.text for m in mutants],
        "csv": None if csv is None else str(csv),
        "msa": None if alignment is None else alignment.file,
        "numbering": numbering,
        "multi": multi,
        "structure_model": structure_model,
    }
    return dataclasses.replace(result, arguments=arguments, source=source, timings=timings)


def _chain_of(protein: Protein, name: str) -> Protein:
    for names in (protein.chain, protein.label_chain):
        if (names == name).any():
            return protein.select(names == name)
    raise unknown_name("chain", name, protein.chains, file=protein.source or None)
