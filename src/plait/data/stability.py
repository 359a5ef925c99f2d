"""Measured changes of folding stability: proteins with what their single substitutions cost."""

import dataclasses
import zipfile
import zlib
from typing import Literal

import numpy as np

from plait.config import option
from plait.data.base import DataSet, Example, checked_folder, short_digest
from plait.errors import InputError
from plait.registry import Reference, register
from plait.structure.protein import Protein
from plait.structure.vocabulary import ATOMS, BACKBONE, RESIDUES, THREE_LETTER, encode

KINDS = ("megascale", "curated")
"""Kinds of assay: cDNA display proteolysis; literature values, mostly of chemical or thermal denaturation."""

_MISSING = -32768
_NAMES = np.array([(ATOMS[name] + ("",) * 14)[:14] for name in THREE_LETTER])  # (21, 14)


@dataclasses.dataclass(frozen=True)
class StabilityConfig:
    folder: str = option(
        "../shared/data/stability", "folder with measurements.parquet, proteins.parquet and structures.npz"
    )
    split: Literal["train", "valid", "test"] = option("train", "which clusters")
    exclude: Literal["nothing", "near_eval", "near_dms"] = option(
        "near_dms",
        "leave out proteins similar to targets of the mutational scans that are reported (near_eval), or of any "
        "scan (near_dms, the strict form)",
    )
    kinds: Literal["both", "megascale", "curated"] = option("both", "kinds of assay")
    quality: str = option(
        "MAB", "letters of the qualities that are used: M mega-scale; A, B, C curated, from agreeing to doubtful"
    )
    fewest: int = option(1, "leave out proteins with fewer measured substitutions")
    structure: bool = option(True, "leave out proteins without a structure")


@register("dataset")
class Stability(DataSet):
    """Proteins with measured changes of folding free energy, in kcal/mol, positive where the substitution
    destabilises.

    Labels: "ddg" float32 [R, 20] by residue and mutant type, NaN where nothing was measured (so always for the wild
    type); "ddg_megascale" and "ddg_curated", the same with the values of one kind of assay; "accessibility" float32
    [R], relative accessible area of the single chain (1: as in an extended peptide), NaN where unknown.

    Residue types are those of the measured sequence. In mutated backgrounds the structure is that of the natural
    domain, with no atoms beyond C-beta where the two differ; residues at termini may have no atoms at all.
    """

    name = "stability"
    summary = "measured changes of folding stability of single substitutions, with structures"
    reference = Reference(
        "Tsuboyama K, Dauparas J, Chen J, Laine E, Mohseni Behbahani Y, Weinstein JJ, Mangan NM, Ovchinnikov S, "
        "Rocklin GJ",
        "Mega-scale experimental analysis of protein folding stability in biology and design",
        "Nature 620:434-444",
        2023,
        "10.1038/s41586-023-06328-6",
        "mega-scale values; the sources of the curated ones stand in the folder's README",
    )
    Config = StabilityConfig

    measured: np.ndarray
    """Number of measured substitutions of each protein, int64 [N]."""

    def __init__(self, config: StabilityConfig):
        import pyarrow.compute as compute
        import pyarrow.parquet as parquet

        self.config = config
        self.folder = checked_folder(config.folder, "proteins.parquet", "measurements.parquet", "structures.npz")
        columns = ["id", "sequence", "length", "has_structure", "offset", "cluster", "split", "near_dms", "near_eval"]
        table = parquet.read_table(self.folder / "proteins.parquet", columns=columns)
        proteins = {name: table[name].to_numpy(zero_copy_only=False) for name in columns}

        columns = ["protein", "position", "wildtype", "mutant", "ddg", "assay", "quality"]
        table = parquet.read_table(self.folder / "measurements.parquet", columns=columns)
        used = compute.is_in(table["quality"], value_set=_texts(config.quality))
        if config.kinds != "both":
            used = compute.and_(used, compute.equal(table["assay"], config.kinds))
        table = table.filter(used)
        owner = compute.index_in(table["protein"], value_set=_texts(proteins["id"]))
        if owner.null_count:
            unknown = compute.filter(table["protein"], compute.is_null(owner))[0].as_py()
            raise InputError(
                "a measurement of a protein that is not there",
                file=self.folder / "measurements.parquet",
                got=unknown,
                expected="ids of proteins.parquet",
            )
        owner = owner.to_numpy()
        order = np.argsort(owner, kind="stable")
        rows = {
            "position": table["position"].to_numpy().astype(np.int64) - 1,
            "wildtype": encode("".join(table["wildtype"].to_pylist())),
            "mutant": encode("".join(table["mutant"].to_pylist())),
            "ddg": table["ddg"].to_numpy().astype(np.float32),
            "kind": compute.index_in(table["assay"], value_set=_texts(KINDS)).fill_null(-1).to_numpy(),
        }
        self._rows = {name: values[order] for name, values in rows.items()}
        count = np.bincount(owner, minlength=len(proteins["id"]))
        first = np.concatenate([[0], np.cumsum(count)[:-1]])

        keep = (proteins["split"] == config.split) & (count >= max(1, config.fewest))
        if config.exclude != "nothing":
            keep &= proteins[config.exclude] == 0
        if config.structure:
            keep &= proteins["has_structure"] == 1
        if not keep.any():
            raise InputError("no protein of the stability data is left", file=self.folder, got=str(config))
        self._proteins = {name: values[keep] for name, values in proteins.items()}
        self._first, self.measured = first[keep], count[keep]
        self.lengths = self._proteins["length"].astype(np.int64)
        self.clusters = self._proteins["cluster"].astype(np.int64)
        self._structures: dict[str, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def digest(self) -> str:
        spans = [slice(first, first + count) for first, count in zip(self._first, self.measured)]
        names = ("position", "mutant", "ddg")
        content = [np.ascontiguousarray(self._rows[name][span]).tobytes() for span in spans for name in names]
        return short_digest("\n".join(self._proteins["id"]).encode(), *content)

    def __getitem__(self, index: int) -> Example:
        row = {name: values[index] for name, values in self._proteins.items()}
        residues, start = int(row["length"]), int(row["offset"])
        arrays, span = self._arrays(), slice(start, start + residues)
        coords = arrays["coords"][span]
        if len(coords) != residues or len(row["sequence"]) != residues:
            raise InputError("broken record", file=self.folder, place=row["id"], got=f"{len(coords)} residues")
        accessibility = np.where(arrays["rsa"][span] == 255, np.nan, arrays["rsa"][span] / 100).astype(np.float32)
        labels = {**self._changes(index, row), "accessibility": accessibility}
        protein = _protein(row["sequence"], coords, arrays["resnum"][span], row["id"])
        return Example(row["id"], protein, labels, int(row["cluster"]))

    def _changes(self, index: int, row: dict) -> dict[str, np.ndarray]:
        """The labels "ddg", "ddg_megascale" and "ddg_curated" of a protein."""
        span = slice(self._first[index], self._first[index] + self.measured[index])
        rows = {name: values[span] for name, values in self._rows.items()}
        types, position = encode(row["sequence"]), rows["position"]
        inside = (position >= 0) & (position < len(types))
        right = inside & (types[np.where(inside, position, 0)] == rows["wildtype"]) & (rows["mutant"] < 20)
        right &= (rows["mutant"] != rows["wildtype"]) & np.isfinite(rows["ddg"]) & (rows["kind"] >= 0)
        if not right.all():
            bad = int(np.argmin(right))
            wild_type, mutant = RESIDUES[rows["wildtype"][bad]], RESIDUES[rows["mutant"][bad]]
            raise InputError(
                "a measurement that does not fit its protein",
                file=self.folder / "measurements.parquet",
                place=row["id"],
                got=f"{wild_type}{position[bad] + 1}{mutant}, ddg {rows['ddg'][bad]}",
                expected="the wild type that stands there in the sequence, another residue, a number and a known assay",
            )
        labels = {}
        for name, kinds in (("ddg", KINDS), *((f"ddg_{kind}", (kind,)) for kind in KINDS)):
            labels[name] = np.full((len(types), 20), np.nan, np.float32)
            chosen = np.isin(rows["kind"], [KINDS.index(kind) for kind in kinds])
            labels[name][position[chosen], rows["mutant"][chosen]] = rows["ddg"][chosen]
        return labels

    def _arrays(self) -> dict[str, np.ndarray]:
        if self._structures is None:
            file = self.folder / "structures.npz"
            try:
                with np.load(file, allow_pickle=False) as arrays:
                    self._structures = {name: arrays[name] for name in ("coords", "rsa", "resnum")}
            except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
                raise InputError("unreadable structures of the stability data", file=file, got=str(error)) from None
        return self._structures


def _protein(sequence: str, coords: np.ndarray, numbers: np.ndarray, source: str) -> Protein:
    """A protein of one chain from coordinates int16 [R, 14, 3] in 0.01 angstrom; author numbers count from 1 where
    the source gives none for some residue."""
    position = np.where(coords == _MISSING, np.float32(np.nan), coords / np.float32(100))
    numbers = None if (numbers == _MISSING).any() else numbers
    protein = Protein.from_backbone(sequence, position[:, : len(BACKBONE)], author_number=numbers, source=source)
    names = _NAMES[protein.residue_type]  # (R, 14)
    present = np.isfinite(position).all(-1) & (names != "")
    return protein.replace(
        position=position[present],
        atom_name=names[present],
        element=names[present].astype("U1"),
        residue_of=np.nonzero(present)[0].astype(np.int32),
    )


def _texts(values):
    import pyarrow

    return pyarrow.array(list(values), pyarrow.string())
