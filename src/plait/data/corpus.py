"""The training corpus: protein chains with backbone and, for most, the profile of their homologs."""

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


@dataclasses.dataclass(frozen=True)
class CorpusConfig:
    folder: str = option("../shared/data/corpus", "folder with index.parquet and corpus_00.npz, ...")
    split: Literal["train", "valid", "test"] = option("train", "which clusters")
    exclude: Literal["nothing", "near_dms", "near_dms_cluster"] = option(
        "near_dms", "leave out chains similar to targets of mutational scans, or their whole clusters"
    )
    profiles: bool = option(False, "only chains that have a profile")
    longest: int = option(0, "leave out chains of more residues; 0: none")


@register("dataset")
class Corpus(DataSet):
    """Chains of the corpus. Labels: "profile" float32 [R, 20] (rows sum to 1; all zero where unknown) and "neff"
    float32 [R] (number of effective sequences; 0 without a profile). Coordinates are good to 0.01 angstrom."""

    name = "corpus"
    summary = "protein chains of the PDB with backbone, clusters and evolutionary profiles"
    reference = Reference(
        "plait authors", "Training corpus of protein chains with evolutionary profiles", "distributed with plait", 2026
    )
    Config = CorpusConfig

    def __init__(self, config: CorpusConfig):
        import pyarrow.parquet as parquet

        self.config = config
        self.folder = checked_folder(config.folder, "index.parquet")
        columns = ["id", "sequence", "length", "has_profile", "cluster", "split", "shard", "offset"]
        table = parquet.read_table(self.folder / "index.parquet", columns=[*columns, "near_dms", "near_dms_cluster"])
        rows = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
        keep = rows["split"] == config.split
        if config.exclude != "nothing":
            keep &= rows[config.exclude] == 0
        if config.profiles:
            keep &= rows["has_profile"] == 1
        if config.longest:
            keep &= rows["length"] <= config.longest
        if not keep.any():
            raise InputError("no chain of the corpus is left", file=self.folder, got=str(config))
        self._rows = {name: values[keep] for name, values in rows.items()}
        self.ids = tuple(self._rows["id"].tolist())
        self.lengths = self._rows["length"].astype(np.int64)
        self.clusters = self._rows["cluster"].astype(np.int64)
        self._shards: dict[int, dict[str, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def digest(self) -> str:
        return short_digest("\n".join(self._rows["id"]).encode(), "\n".join(self._rows["sequence"]).encode())

    def __getitem__(self, index: int) -> Example:
        row = {name: values[index] for name, values in self._rows.items()}
        shard, start = self._shard(int(row["shard"])), int(row["offset"])
        span = slice(start, start + int(row["length"]))
        c_alpha = shard["ca"][span] / np.float32(100)
        if len(c_alpha) != row["length"] or len(row["sequence"]) != row["length"]:
            raise InputError("broken record", file=self.folder, place=row["id"], got=f"{len(c_alpha)} residues")
        offset = shard["rel_hi"][span].astype(np.int8).astype(np.int16) * np.int16(256) + shard["rel_lo"][span]
        backbone = np.empty((len(c_alpha), 3, 3), np.float32)
        backbone[:, 1] = c_alpha
        atoms = c_alpha[:, None] + offset / np.float32(100)
        backbone[:, [0, 2]] = np.where(offset == -32768, np.float32(np.nan), atoms)
        profile = (shard["profile"][span] / np.float32(127)) ** 2
        profile /= np.maximum(profile.sum(1, keepdims=True), 1e-9)
        neff = 2 ** (shard["neff"][span] / np.float32(24)) if row["has_profile"] else np.zeros(len(profile), np.float32)
        protein = Protein.from_backbone(
            row["sequence"], backbone, author_number=shard["resnum"][span], source=row["id"]
        )
        return Example(row["id"], protein, {"profile": profile, "neff": neff}, int(row["cluster"]))

    def _shard(self, number: int) -> dict[str, np.ndarray]:
        if number not in self._shards:
            file = self.folder / f"corpus_{number:02d}.npz"
            try:
                with np.load(file, allow_pickle=False) as arrays:
                    self._shards[number] = {name: arrays[name] for name in arrays.files}
            except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
                raise InputError("unreadable shard of the corpus", file=file, got=str(error)) from None
        return self._shards[number]
