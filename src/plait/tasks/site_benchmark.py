"""How well models find binding sites: complexes of known structure, the ligands hidden, by each of several models."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from plait.data.base import Example
from plait.data.complexes import Complexes, ComplexesConfig
from plait.data.site_labels import atom_sites
from plait.errors import InputError
from plait.structure.protein import Protein
from plait.tasks.binding_sites.predicting import SiteSettings, load_site_model
from plait.tasks.pocket_metrics import centre_distances, rank_of_first
from plait.tasks.site_averages import COUNTS, site_averages
from plait.tasks.site_metrics import auroc, average_precision, confusion, f1, iou, mcc
from plait.tasks.site_predictions import Predictor, SitePrediction

PREDICTIONS = "predictions"
"""Folder in the output folder that holds what each model said of each entry."""

SPLITS = ("test", "test_dude")


@dataclasses.dataclass(frozen=True)
class SiteFailure:
    """An entry that could not be read, or that a model could not answer (`model` is empty if it concerns all)."""

    entry: str
    model: str
    error: Exception


@dataclasses.dataclass(frozen=True, eq=False)
class SiteBenchmark:
    """Models on complexes.

    Attributes
    ----------
    proteins : pandas.DataFrame
        A row an entry and model: `split`, `entry`, `cluster`, `model`, `residues`, `binding` (how many bind), IoU of
        residues and atoms at the model's threshold and at 0.5 (`_half`), `auroc`, `auprc`, `mcc`, `f1`, the counts that
        these two are made of, `pockets`, `seconds`.
    ligands : pandas.DataFrame
        A row a ligand and model: `split`, `entry`, `cluster`, `model`, `ligand`, `ligands` (in the entry), `dca_rank`
        and `dcc_rank` (first pocket within 4 angstrom, 0 if none), `dca_top3` and `dcc_top3` (smallest distance of the
        first three pockets, angstrom).
    summary : pandas.DataFrame
        As `site_averages` makes it, with `split`; over the entries that every model answered.
    models : dict of str to dict
        Name of each model, with its digest, settings and what is known of it.
    failures : tuple of SiteFailure
    reused : int
        How many predictions were already there.
    arguments : dict
        Data folder, splits with their digests, cut-off, seed, number of resamples.
    """

    proteins: Any
    ligands: Any
    summary: Any
    models: dict[str, dict]
    failures: tuple[SiteFailure, ...]
    reused: int
    arguments: dict


def benchmark_sites(
    data: str | Path,
    models: Sequence = (None,),
    *,
    splits: Sequence[str] = SPLITS,
    cutoff: float = 4.0,
    out: str | Path | None = None,
    seed: int = 0,
    resamples: int = 10_000,
    report: Callable[[SiteFailure], None] | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> SiteBenchmark:
    """Ask every model for the sites of every complex.

    Parameters
    ----------
    data : path
        Folder of the data set `complexes`.
    models : sequence
        Names, folders or hub ids of models with a head for binding sites, "geometry", None for the default model, or
        models.
    splits : sequence of str
        Those of the data set. In train and valid nothing is left out for being near the test sets.
    cutoff : float
        A residue (an atom) binds if a heavy atom of it is closer than this to one of a ligand, in angstrom.
    out : path, optional
        Folder for predictions. Those that are there and were made from the same are not made again.
    seed, resamples : int
        Of the bootstrap.
    report : callable, optional
        Called with each failure as it is met; the rest goes on.
    progress : callable, optional
        Wraps the entries of a split.

    Raises
    ------
    InputError
        If the folder or a model is not there, or nothing could be answered by all models.
    """
    import pandas

    predictors = _named(models, None if out is None else Path(out) / PREDICTIONS)
    tables, failures, digests = _Tables(), [], {}
    for split in splits:
        options = {"split": split, "exclude": "nothing", "heldout": True, "copies": "drop", "cutoff": cutoff}
        dataset = Complexes(ComplexesConfig(folder=str(data), **options))
        digests[split] = dataset.digest
        for index in progress(list(range(len(dataset)))):
            failure = _answer(dataset, index, split, predictors, cutoff, tables)
            if failure is not None:
                failures.append(failure)
                if report is not None:
                    report(failure)
    if not tables.proteins:
        raise InputError("no complex could be answered by all models", file=data, got=str(failures[0].error))
    proteins, ligands = pandas.DataFrame(tables.proteins), pandas.DataFrame(tables.ligands)
    summaries = []
    for split in dict.fromkeys(proteins["split"]):
        residues = {name: tuple(map(np.concatenate, zip(*tables.residues[split, name]))) for name in predictors}
        parts = (table[table["split"] == split] for table in (proteins, ligands))
        options = {"compared_with": next(iter(predictors)), "seed": seed, "resamples": resamples}
        summary = site_averages(*parts, residues, **options)
        summary.insert(0, "split", split)
        summaries.append(summary)
    return SiteBenchmark(
        proteins=proteins,
        ligands=ligands,
        summary=pandas.concat(summaries, ignore_index=True),
        models={name: _described(one) for name, one in predictors.items()},
        failures=tuple(failures),
        reused=sum(one.reused for one in predictors.values()),
        arguments={
            "data": str(data),
            "splits": digests,
            "cutoff": cutoff,
            "seed": seed,
            "resamples": resamples,
        },
    )


class _Tables:
    """Rows that gather while entries are worked off."""

    def __init__(self):
        self.proteins: list[dict] = []
        self.ligands: list[dict] = []
        self.residues: dict[tuple[str, str], list] = {}


def _answer(dataset: Complexes, index: int, split: str, predictors, cutoff, tables: _Tables) -> SiteFailure | None:
    """Enter what all models say of an entry into the tables; or nothing, if one of them could not."""
    name, entry, answers = "", dataset.ids[index], {}
    try:
        example = dataset[index]
        for name, predictor in predictors.items():
            answers[name] = predictor(example.protein)
        name = ""
        atoms = atom_sites(example.protein, example.labels["binding_site"], cutoff)
    except Exception as error:  # of one entry; the rest goes on
        return SiteFailure(entry, name, error)
    for name, answer in answers.items():
        where = {"split": split, "entry": entry, "cluster": example.cluster, "model": name}
        settings = predictors[name].settings
        tables.proteins.append({**where, **protein_metrics(example, atoms, answer, settings)})
        tables.ligands += [{**where, **row} for row in ligand_metrics(example.protein, answer.centres)]
        true = example.labels["binding_site"]
        known = np.isfinite(true)
        rows = np.nan_to_num(answer.probability[known], nan=-1.0), true[known], np.full(known.sum(), example.cluster)
        tables.residues.setdefault((split, name), []).append(rows)
    return None


def protein_metrics(example: Example, atoms: np.ndarray, answer: SitePrediction, settings: SiteSettings) -> dict:
    """One row of the table of proteins. Without an answer for atoms, an atom is predicted to bind if its residue is."""
    true, probability = example.labels["binding_site"], answer.probability
    predicted, half = (np.nan_to_num(probability, nan=-1.0) >= one for one in (settings.threshold, 0.5))
    owner = example.protein.residue_of
    of_atoms = predicted[owner], half[owner]
    if len(answer.atoms):
        of_atoms = (np.nan_to_num(answer.atoms, nan=-1.0) >= one for one in (settings.atom_threshold, 0.5))
    atom_iou, atom_iou_half = (iou(one, atoms) for one in of_atoms)
    counts = confusion(predicted, true)
    return {
        "residues": len(example.protein),
        "binding": int(np.nansum(true)),
        "iou": iou(predicted, true),
        "iou_half": iou(half, true),
        "atom_iou": atom_iou,
        "atom_iou_half": atom_iou_half,
        "auroc": auroc(probability, true),
        "auprc": average_precision(probability, true),
        "mcc": float(mcc(counts)),
        "f1": float(f1(counts)),
        **dict(zip(COUNTS, counts.tolist(), strict=True)),
        "pockets": len(answer.centres),
        "seconds": answer.seconds,
    }


def ligand_metrics(protein: Protein, centres: np.ndarray) -> list[dict]:
    """A row for each ligand of the entry."""
    hetero, rows = protein.hetero, []
    groups = np.unique(hetero.group)
    for group in groups:
        own = hetero.group == group
        dca, dcc = centre_distances(centres, hetero.position[own])
        rows.append(
            {
                "ligand": str(hetero.residue_name[own][0]),
                "ligands": len(groups),
                "dca_rank": rank_of_first(dca),
                "dcc_rank": rank_of_first(dcc),
                "dca_top3": float(dca[:3].min(initial=np.inf)),
                "dcc_top3": float(dcc[:3].min(initial=np.inf)),
            }
        )
    return rows


def _named(models: Sequence, folder: Path | None) -> dict[str, Predictor]:
    """Models by distinct names: their own, or as they were given where two have the same."""
    if not models:
        raise InputError("no model given", expected="names, folders or hub ids of models, or geometry")
    loaded = [(given, load_site_model(given)) for given in models]
    names = [model.name for _, model in loaded]
    named: dict[str, Predictor] = {}
    for given, model in loaded:
        name = model.name if names.count(model.name) == 1 else str(given)
        if name in named:
            raise InputError("a model is given twice", got=repr(name))
        named[name] = Predictor(model, folder)
    return named


def _described(predictor: Predictor) -> dict:
    model = predictor.model
    card = model.card or {}
    what = card.get("summary") or card.get("trained_on") or ""
    return {"digest": model.digest or None, "summary": what, "settings": dataclasses.asdict(predictor.settings)}
