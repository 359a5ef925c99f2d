"""Structures with bound small molecules, all heavy atoms, for binding sites; and chains without, for pre-training."""

import dataclasses
import json
import zipfile
import zlib
from pathlib import Path
from typing import Literal

import numpy as np

from plait.config import option
from plait.data.base import DataSet, Example, checked_folder, short_digest
from plait.errors import InputError
from plait.registry import Reference, register
from plait.structure.protein import Hetero, Protein
from plait.structure.vocabulary import encode

TRAINING = ("train", "valid", "pretrain")
"""Splits that a model may learn from or be chosen on: what is similar to the test sets can be left out of them."""

_LATER = {"train": ("valid", "test", "test_dude"), "valid": ("test", "test_dude")}
_COLUMNS = (
    "id", "split", "shard", "pos", "n_res", "n_atoms", "ligands", "unlabelled_copies", "site_fraction_4A", "sequence",
    "cluster", "near_test", "near_dude", "near_heldout",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class ComplexesConfig:
    folder: str = option("../shared/data/complexes", "folder with index.parquet, vocab.json and the .npz of each split")
    split: Literal["train", "valid", "test", "test_dude", "pretrain"] = option(
        "train", "by year: train before 2014, valid to 2018, test after; DUD-E targets; chains without labels"
    )
    exclude: Literal["nothing", "near_test", "near_dude", "near_both", "related"] = option(
        "related",
        "what is left out of train and valid: nothing (the time split alone, as published); entries of at least 30 % "
        "identity to a chain of test, of test_dude, or of both; related: those, and the whole clusters of later splits",
    )
    heldout: bool = option(False, "keep, in train and valid, the relatives of a further set that is kept apart")
    leave_out: str = option("", "file of further entries to leave out, an id a line")
    copies: Literal["mask", "drop", "keep"] = option(
        "mask",
        "identical chains whose ligand was not kept by the source: without labels; their entries left out; or as they "
        "are, with the site as a false negative",
    )
    cutoff: float = option(4.0, "a residue binds if a heavy atom is closer to one of a ligand than this (angstrom)")
    longest: int = option(0, "leave out entries of more residues; 0: none")


@register("dataset")
class Complexes(DataSet):
    """Complexes of proteins with small molecules, and ligand-free chains (split "pretrain").

    The ligands stand in `protein.hetero`, one group each, with `atom_name` their elements; all that a model learns
    from has to do without them. Labels: "ligand_distance" float32 [R], smallest distance of a heavy atom of the
    residue to one of any ligand in angstrom (good to 0.01), and "binding_site" float32 [R], 1 below `cutoff`, else 0.
    Both are NaN where nothing is known: in all of "pretrain", whose chains were cut from entries that often had
    ligands, and in chains whose own ligand the source left out.
    """

    name = "complexes"
    summary = "all-atom structures with bound ligands, and ligand-free chains for pre-training"
    reference = Reference(
        "wwPDB consortium",
        "Protein Data Bank: the single global archive for 3D macromolecular structure data",
        "Nucleic Acids Research 47:D520-D528",
        2019,
        "10.1093/nar/gky949",
        "as collected by the sources in the folder's README",
    )
    Config = ComplexesConfig

    def __init__(self, config: ComplexesConfig):
        import pyarrow.parquet as parquet

        self.config = config
        self.folder = checked_folder(config.folder, "index.parquet", "vocab.json")
        table = parquet.read_table(self.folder / "index.parquet", columns=list(_COLUMNS))
        rows = {name: table[name].to_numpy(zero_copy_only=False) for name in _COLUMNS}
        keep = (rows["split"] == config.split) & _apart(rows, config)
        if config.copies == "drop":
            keep &= rows["unlabelled_copies"] == 0
        if config.longest:
            keep &= rows["n_res"] <= config.longest
        if config.leave_out:
            keep &= ~np.isin(rows["id"].astype(str), _ids(config.leave_out))
        if not keep.any():
            raise InputError("no entry of the complexes is left", file=self.folder, got=str(config))
        self._rows = {name: values[keep] for name, values in rows.items()}
        self.lengths = self._rows["n_res"].astype(np.int64)
        self.clusters = self._rows["cluster"].astype(np.int64)
        self.ids = tuple(self._rows["id"].tolist())
        self._vocabulary: _Vocabulary | None = None
        self._shards: dict[str, dict[str, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def digest(self) -> str:
        texts = ("id", "sequence", "ligands")
        numbers = ("n_atoms", "unlabelled_copies", "site_fraction_4A")
        return short_digest(
            *("\n".join(self._rows[name]).encode() for name in texts),
            *(self._rows[name].astype(np.float64).tobytes() for name in numbers),
        )

    def __getitem__(self, index: int) -> Example:
        row = {name: values[index] for name, values in self._rows.items()}
        arrays, at = self._shard(row["shard"]), int(row["pos"])
        if at + 1 >= len(arrays["res_offset"]) or str(arrays["id"][at]) != row["id"]:
            raise InputError("broken record", file=self.folder / row["shard"], place=row["id"], got="another entry")
        residues, atoms, ligands = (_span(arrays[f"{name}_offset"], at) for name in ("res", "atom", "lig"))
        count, natoms = residues.stop - residues.start, arrays["res_natoms"][residues].astype(np.int64)
        if count != row["n_res"] or natoms.sum() != atoms.stop - atoms.start:
            raise InputError("broken record", file=self.folder / row["shard"], place=row["id"], got=f"{count} residues")
        vocabulary, centroid = self._names(), arrays["centroid"][at]
        number = arrays["res_chain"][residues].astype(np.int64)
        chain = np.array(str(arrays["chains"][at]).split(","))[number]
        kind = arrays["res_type"][residues]
        code = arrays["res_icode"][residues].astype(np.uint32).view("U1")
        protein = Protein(
            residue_type=vocabulary.residue_type[kind],
            residue_name=vocabulary.residue_name[kind],
            chain=chain,
            label_chain=chain,
            author_number=arrays["res_num"][residues].astype(np.int32),
            insertion_code=np.where(code == " ", "", code),
            sequence_index=_place_in_chain(number),
            b_factor=np.zeros(count, np.float32),
            position=_positions(arrays["xyz"], atoms, centroid),
            atom_name=vocabulary.atom_name[arrays["atom_type"][atoms]],
            element=vocabulary.element[arrays["atom_type"][atoms]],
            residue_of=np.repeat(np.arange(count, dtype=np.int32), natoms),
            hetero=self._ligands(arrays, ligands, centroid, vocabulary),
            source=row["id"],
        )
        distance = arrays["residue_ligand_distance"][residues].astype(np.float32)
        if self.config.copies == "mask" and row["unlabelled_copies"]:
            distance[_copies(distance, number, int(row["unlabelled_copies"]), self.config.cutoff)] = np.nan
        site = np.where(np.isnan(distance), np.nan, distance < self.config.cutoff).astype(np.float32)
        labels = {"ligand_distance": distance, "binding_site": site}
        return Example(row["id"], protein, labels, int(row["cluster"]))

    def _ligands(self, arrays, ligands: slice, centroid: np.ndarray, vocabulary: "_Vocabulary") -> Hetero:
        sizes = arrays["lig_natoms"].astype(np.int64)
        atoms = slice(int(sizes[: ligands.start].sum()), int(sizes[: ligands.stop].sum()))
        group = np.repeat(np.arange(ligands.stop - ligands.start, dtype=np.int32), sizes[ligands])
        element = vocabulary.ligand_element[arrays["lig_element"][atoms]]
        blank = np.full(len(group), "", "U1")
        return Hetero(
            position=_positions(arrays["lig_xyz"], atoms, centroid),
            atom_name=element,
            residue_name=arrays["lig_name"][ligands][group],
            chain=blank,
            insertion_code=blank,
            element=element,
            author_number=group + 1,
            kind=np.full(len(group), "ligand"),
            group=group,
        )

    def _names(self) -> "_Vocabulary":
        if self._vocabulary is None:
            file = self.folder / "vocab.json"
            try:
                table = json.loads(file.read_text(encoding="utf-8"))
                atoms = np.array(table["atoms"])
                self._vocabulary = _Vocabulary(
                    residue_name=np.array(table["residues"]),
                    residue_type=encode("".join(table["residue_parent"])),
                    atom_name=atoms[:, 1],
                    element=np.char.upper(atoms[:, 2]),
                    ligand_element=np.char.upper(np.array(table["ligand_elements"])),
                )
            except (OSError, ValueError, KeyError, IndexError) as error:
                raise InputError("unreadable vocabulary of the complexes", file=file, got=str(error)) from None
        return self._vocabulary

    def _shard(self, name: str) -> dict[str, np.ndarray]:
        if name not in self._shards:
            file = self.folder / name
            try:
                with np.load(file, allow_pickle=False) as arrays:
                    self._shards[name] = {key: arrays[key] for key in arrays.files}
            except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
                raise InputError("unreadable shard of the complexes", file=file, got=str(error)) from None
        return self._shards[name]


@dataclasses.dataclass(frozen=True)
class _Vocabulary:
    """What the numbers of the shards stand for."""

    residue_name: np.ndarray
    residue_type: np.ndarray
    atom_name: np.ndarray
    element: np.ndarray
    ligand_element: np.ndarray


def _apart(rows: dict[str, np.ndarray], config: ComplexesConfig) -> np.ndarray:
    """Which entries are not too similar to those that a model is tested on: bool [all entries]."""
    keep = np.ones(len(rows["id"]), bool)
    if config.split not in TRAINING:
        return keep
    if not config.heldout:
        keep &= ~rows["near_heldout"].astype(bool)
    if config.exclude in ("near_test", "near_both", "related"):
        keep &= ~rows["near_test"].astype(bool)
    if config.exclude in ("near_dude", "near_both", "related"):
        keep &= ~rows["near_dude"].astype(bool)
    if config.exclude == "related" and config.split in _LATER:
        later = np.isin(rows["split"], _LATER[config.split])
        keep &= ~np.isin(rows["cluster"], rows["cluster"][later])
    return keep


def _ids(name: str) -> list[str]:
    try:
        return Path(name).read_text(encoding="utf-8").split()
    except (OSError, ValueError) as error:
        raise InputError("the list of entries to leave out cannot be read", file=name, got=str(error)) from None


def _copies(distance: np.ndarray, chain: np.ndarray, count: int, cutoff: float) -> np.ndarray:
    """Residues of the `count` chains that touch the ligands least: bool [R]. Of identical chains in an entry, these
    are the ones whose own ligand is not there."""
    touching = np.bincount(chain, distance < cutoff)
    return np.isin(chain, np.argsort(touching, kind="stable")[:count])


def _place_in_chain(chain: np.ndarray) -> np.ndarray:
    """Position of each residue among those of its chain, from 0: int32 [R]."""
    place = np.zeros(len(chain), np.int32)
    for number in np.unique(chain):
        here = chain == number
        place[here] = np.arange(here.sum())
    return place


def _positions(table: np.ndarray, atoms: slice, centroid: np.ndarray) -> np.ndarray:
    """Coordinates float32 [atoms, 3] in angstrom from those in 0.01 angstrom about the centroid [3, all atoms]."""
    return (table[:, atoms].T / 100 + centroid).astype(np.float32)


def _span(offsets: np.ndarray, at: int) -> slice:
    return slice(int(offsets[at]), int(offsets[at + 1]))
