"""`plait.sites`: from a structure, as the user has it, to its binding sites."""

import dataclasses
import time

from plait.data.digests import file_digest
from plait.errors import InputError
from plait.structure.protein import Protein
from plait.tasks.binding_sites.predicting import load_site_model
from plait.tasks.binding_sites.result import SiteResult
from plait.tasks.binding_sites.task import BindingSites, Config


def sites(
    structure,
    *,
    chain: str | None = None,
    model=None,
    together: bool = True,
    structure_model: int = 1,
    atoms: bool = False,
    partner: str | None = None,
) -> SiteResult:
    """Find the binding sites of a protein: `plait.sites("1ubq.cif").table`.

    Parameters
    ----------
    structure : path or Protein
    chain : str, optional
        Author or label identifier of the chain; every protein chain if not given.
    model : str, path, Model or GeometricSites, optional
        Name, folder or hub id of a model with a head for binding sites, or "geometry"; the bundled one if not given.
    together : bool
        Whether chains see one another.
    structure_model : int
        Number of the model in a file that has several.
    atoms : bool
        Answer for atoms too (`SiteResult.atom_table`).
    partner : str, optional
        What is bound, such as "zinc" or "dna", for a model that tells kinds of partners (its first if not given); where
        no model is named, the bundled one that does.

    Raises
    ------
    InputError
        For whatever of the input the user can mend.
    """
    timings, started = {}, time.perf_counter()
    model = load_site_model(model, partner)
    timings["load model"] = time.perf_counter() - started
    started = time.perf_counter()
    if isinstance(structure, Protein):
        protein = structure if chain is None else structure.select_chain(chain)
        if not len(protein):
            raise InputError("no such chain", got=repr(chain), expected=", ".join(structure.chains))
        source = {"structure": {"file": protein.source, "sha256": None}}
    else:
        from plait.structure.reading import read_structure

        protein = read_structure(structure, chain=chain, model=structure_model)
        source = {"structure": file_digest(structure)}
    timings["read structure"] = time.perf_counter() - started
    started = time.perf_counter()
    result = BindingSites(Config(together=together, atoms=atoms, partner=partner or ""))(model, protein)
    timings["find sites"] = time.perf_counter() - started
    arguments = {"chain": chain, "together": together, "structure_model": structure_model, "atoms": atoms}
    if partner:
        arguments["partner"] = partner
    return dataclasses.replace(result, arguments=arguments, source=source, timings=timings)
