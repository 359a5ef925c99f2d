"""Pairs of structures of one protein: without and with a partner, two ligands, two models, large changes."""

import dataclasses
import hashlib
import zipfile
import zlib
from typing import Literal

import numpy as np

from plait.config import option
from plait.data.base import DataSet, Example, checked_folder, short_digest
from plait.errors import InputError
from plait.registry import Reference, register
from plait.structure.protein import Protein
from plait.structure.vocabulary import BACKBONE

ATOMS = (*BACKBONE, "CB")
"""Atoms that both sides of a pair have: the first of `vocabulary.ATOMS` of every residue."""

TENTHS = {"valid": (0,), "test": (1,), "train": tuple(range(2, 10))}
"""Which tenths of the clusters belong to each split."""


@dataclasses.dataclass(frozen=True)
class ConformersConfig:
    folder: str = option("../shared/data/conformers", "folder with pairs.parquet and pairs.npz")
    split: Literal["train", "valid", "test"] = option("train", "which clusters: eight tenths, one and one")
    kind: Literal["all", "unbound-bound", "holo-holo", "apo-holo", "alternative", "nmr-models"] = option(
        "all", "what the two sides are"
    )
    least: float = option(0.0, "leave out pairs whose C-alphas differ by less than this (RMSD, angstrom)")
    most: float = option(0.0, "leave out pairs whose C-alphas differ by more than this (RMSD, angstrom); 0: none")
    heldout: bool = option(False, "keep the relatives of a further set that is kept apart")
    longest: int = option(0, "leave out pairs of more residues; 0: none")


@register("dataset")
class Conformers(DataSet):
    """Real pairs of conformers: the protein is one side, and the label "conformer" float32 [R, 5, 3] says where the
    atoms of `ATOMS` are on the other, superposed, in angstrom (good to 0.02), NaN where absent.

    Side chains end at C-beta. Only residues that both sides have are listed, with their author's numbers; chains that
    the source joined stay one. A cluster's split follows from its number alone, so that it stays when pairs are left
    out. Some pairs come from entries of `complexes`, of any of its splits.
    """

    name = "conformers"
    summary = "pairs of real conformers: bound and unbound, two ligands, two models, large changes"
    reference = Reference(
        "wwPDB consortium",
        "Protein Data Bank: the single global archive for 3D macromolecular structure data",
        "Nucleic Acids Research 47:D520-D528",
        2019,
        "10.1093/nar/gky949",
        "pairs of Docking Benchmark 5 (doi:10.1016/j.jmb.2015.07.016), CoDNaS and others as in the folder's README",
    )
    Config = ConformersConfig

    def __init__(self, config: ConformersConfig):
        import pyarrow.parquet as parquet

        self.config = config
        self.folder = checked_folder(config.folder, "pairs.parquet", "pairs.npz")
        columns = ["id", "kind", "length", "rmsd_ca", "cluster", "near_heldout", "sequence"]
        table = parquet.read_table(self.folder / "pairs.parquet", columns=columns)
        rows = {name: table[name].to_numpy(zero_copy_only=False) for name in columns}
        tenth = {cluster: _tenth(cluster) for cluster in np.unique(rows["cluster"]).tolist()}
        keep = np.isin([tenth[cluster] for cluster in rows["cluster"].tolist()], TENTHS[config.split])
        keep &= rows["rmsd_ca"] >= config.least
        if config.kind != "all":
            keep &= rows["kind"] == config.kind
        if config.most:
            keep &= rows["rmsd_ca"] <= config.most
        if not config.heldout:
            keep &= ~rows["near_heldout"].astype(bool)
        if config.longest:
            keep &= rows["length"] <= config.longest
        if not keep.any():
            raise InputError("no pair of conformers is left", file=self.folder, got=str(config))
        self._rows = {name: values[keep] for name, values in rows.items()}
        self._place = np.flatnonzero(keep)
        self.ids = tuple(self._rows["id"].tolist())
        self.lengths = self._rows["length"].astype(np.int64)
        self.clusters = self._rows["cluster"].astype(np.int64)
        self._arrays: dict[str, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def digest(self) -> str:
        texts = ("\n".join(self._rows[name]).encode() for name in ("id", "sequence"))
        return short_digest(*texts, self._rows["rmsd_ca"].astype(np.float64).tobytes())

    def __getitem__(self, index: int) -> Example:
        arrays, sequence, name = self._pairs(), self._rows["sequence"][index], self.ids[index]
        span = slice(*arrays["offset"][self._place[index] :][:2])
        first = arrays["a"][:, :, span].astype(np.int32)
        if first.shape[2] != self.lengths[index] or len(sequence) != self.lengths[index]:
            found = f"{first.shape[2]} residues"
            raise InputError("broken record", file=self.folder / "pairs.npz", place=name, got=found)
        second = _positions(first + arrays["b_minus_a"][:, :, span])
        first = _positions(first)
        first[~arrays["has_cb"][span], 4] = second[~arrays["has_cb"][span], 4] = np.nan
        protein = _protein(sequence, first, arrays["num_a"][span], name)
        return Example(name, protein, {"conformer": second}, int(self.clusters[index]))

    def _pairs(self) -> dict[str, np.ndarray]:
        if self._arrays is None:
            file = self.folder / "pairs.npz"
            try:
                with np.load(file, allow_pickle=False) as arrays:
                    self._arrays = {name: arrays[name] for name in arrays.files}
            except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
                raise InputError("unreadable pairs of conformers", file=file, got=str(error)) from None
        return self._arrays


def _tenth(cluster: int) -> int:
    """A number from 0 to 9 for each cluster, as good as drawn."""
    return hashlib.sha256(str(cluster).encode()).digest()[0] % 10


def _positions(hundredths: np.ndarray) -> np.ndarray:
    """Coordinates float32 [R, 5, 3] in angstrom; those given [5, 3, R] are relative to C-alpha, but for its own."""
    found = hundredths.copy()
    found[[0, 2, 3, 4]] += hundredths[1]
    return np.ascontiguousarray((found / 100).astype(np.float32).transpose(2, 0, 1))


def _protein(sequence: str, position: np.ndarray, number: np.ndarray, source: str) -> Protein:
    """A protein of one chain from coordinates [R, 5, 3], NaN where absent."""
    protein = Protein.from_backbone(sequence, position[:, : len(BACKBONE)], author_number=number, source=source)
    present = np.isfinite(position).all(-1)
    names = np.broadcast_to(np.array(ATOMS), present.shape)[present]
    return protein.replace(
        position=position[present],
        atom_name=names,
        element=names.astype("U1"),
        residue_of=np.nonzero(present)[0].astype(np.int32),
    )
