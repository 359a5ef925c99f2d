"""Which residues bind which kind of partner: complexes with small molecules and labelled corpus chains as one set."""

import dataclasses
import functools
from pathlib import Path
from typing import Literal

import numpy as np

from plait.config import option
from plait.data.base import DataSet, Example, short_digest
from plait.data.complexes import Complexes, ComplexesConfig
from plait.data.corpus import Corpus
from plait.data.mixture import Mixture
from plait.data.residue_labels import ResidueLabels, ResidueLabelsConfig
from plait.data.site_labels import RESIDUES
from plait.errors import InputError
from plait.references import GPSITE
from plait.registry import register
from plait.structure.protein import Hetero, Protein

KINDS = {
    "small-molecule": ("ATP", "HEM"),
    "atp": ("ATP",),
    "haem": ("HEM",),
    "calcium": ("CA",),
    "magnesium": ("MG",),
    "manganese": ("MN",),
    "zinc": ("ZN",),
    "dna": ("DNA",),
    "rna": ("RNA",),
    "peptide": ("PEP",),
    "protein": ("PRO",),
}
"""Kinds of partners, in the order of the label's columns, and GPSite's sets that speak of them; the complexes speak of
small molecules."""

INTERFACES = "PPBS"
"""ScanNet's set of protein interfaces; its validation sets are trained on as `protein`, its test sets are not read."""

GROUPS = {
    "small-molecule": ("small-molecule", "atp", "haem"),
    "metal": ("calcium", "magnesium", "manganese", "zinc"),
    "nucleic-acid": ("dna", "rna"),
    "peptide": ("peptide",),
    "protein": ("protein",),
}
"""Kinds that are alike; the probability of a group is the largest of its kinds'. A name that is also a kind's means
the kind where a user asks for it."""

HELD_OUT = 8
"""One cluster of official training chains in so many is kept for validation."""

_BACKBONE = ("N", "CA", "C")
_CLUSTERS = 10_000_000
"""Clusters of complexes count from here, as those of the corpus count from 0."""


@dataclasses.dataclass(frozen=True)
class PartnersConfig:
    folder: str = option("../shared/data/labels", "folder with residue_index.parquet and residue_labels.npz")
    corpus: str = option("../shared/data/corpus", "folder of the corpus, whose chains are labelled")
    complexes: str = option("../shared/data/complexes", "folder of the complexes with small molecules")
    split: Literal["train", "valid", "test"] = option(
        "train",
        "the sources' own: official training chains less one cluster in eight (valid), and official test chains",
    )
    exclude: Literal["nothing", "near_dms", "near_dms_cluster"] = option(
        "nothing",
        "leave chains similar to targets of mutational scans, or their whole clusters, out of train and valid",
    )
    leave_out: str = option("", "file of entries and chains to leave out of train and valid, an id a line")
    complexes_share: float = option(0.25, "share of the draws that are complexes as they are")
    backbone_share: float = option(
        0.1, "share of the draws that are complexes with N, CA and C alone, as in the corpus"
    )
    interfaces: bool = option(True, "train on ScanNet's validation sets of protein interfaces beside GPSite's")
    longest: int = option(0, "leave out proteins of more residues; 0: none")


@register("dataset")
class Partners(Mixture):
    """Proteins, and which of their residues bind each kind of partner.

    Label "binding_site" float32 [R, 11]: a column for each of `KINDS`; 1, 0, or NaN where the source says nothing.
    A chain is labelled for a kind only where it is known to bind one: the sets hold no chains that bind none, and a
    chain that is missing from the set of DNA may bind DNA. What is learned is therefore the probability that a residue
    binds such a partner given that its protein does.

    Chains of ATP and haem speak of small molecules too. A chain of several sets is an example in each.

    Train and valid keep apart from test: no chain of a cluster of an official test chain, no complex that is similar to
    one of test. Chains have N, CA and C alone; complexes are drawn with all atoms and, as often as `backbone_share`
    says, with those three, so that a network learns the one beside the other. The rest of the draws goes to the sets of
    chains, in proportion to the square root of their numbers of chains.
    """

    name = "partners"
    summary = "residues that bind small molecules, ATP, haem, metals, nucleic acids, peptides and proteins, as one set"
    reference = GPSITE.at("its ten sets, ScanNet's interfaces, and the complexes of the data set complexes")
    Config = PartnersConfig
    classes = {RESIDUES: tuple(KINDS)}

    def __init__(self, config: PartnersConfig):
        self.config = config
        if not (config.complexes_share > 0 and config.backbone_share >= 0) or (
            config.complexes_share + config.backbone_share >= 1
        ):
            raise InputError(
                "shares of complexes",
                got=f"{config.complexes_share}, {config.backbone_share}",
                expected="two numbers above 0 (the second may be 0) whose sum is below 1",
            )
        self._left_out = _ids(config.leave_out) if config.leave_out and config.split != "test" else set()
        complexes = self._complexes()
        parts, shares = [_Columns(*complexes, (0,), _CLUSTERS)], [config.complexes_share]
        if config.split == "train" and config.backbone_share:
            parts.append(_Columns(*complexes, (0,), _CLUSTERS, backbone=True))
            shares.append(config.backbone_share)
        chains = self._chains()
        roots = np.sqrt([len(part) for part in chains])
        shares += list((1 - sum(shares)) * roots / roots.sum())
        super().__init__([*parts, *chains], shares)
        self.clusters = np.concatenate([part.clusters for part in self.parts])
        self.ids = tuple(name for part in self.parts for name in part.ids)

    def _complexes(self) -> tuple[DataSet, np.ndarray]:
        """Complexes of the split, and which of them are used."""
        config = self.config
        apart = {"train": ("valid", "test"), "valid": ("test",), "test": ()}[config.split]
        options = {"folder": config.complexes, "longest": config.longest}
        later = [Complexes(ComplexesConfig(split=name, exclude="nothing", heldout=True, folder=config.complexes))
                 for name in apart]  # fmt: skip
        copies = "drop" if config.split == "test" else "mask"
        dataset = Complexes(ComplexesConfig(split=config.split, exclude="near_test", copies=copies, **options))
        related = np.isin(dataset.clusters, np.concatenate([[], *(one.clusters for one in later)]))
        return dataset, np.flatnonzero(~related & ~np.isin(dataset.ids, list(self._left_out)))

    def _chains(self) -> list["_Columns"]:
        """The sets of chains of the split."""
        config, test = self.config, self.config.split == "test"
        names, open_corpus = tuple(KINDS), functools.cache(Corpus)
        tested = {
            ligand: ResidueLabels(self._source(ligand, "test", "nothing"), open_corpus)
            for ligand in dict.fromkeys(name for of in KINDS.values() for name in of)
        }
        tested_clusters = np.concatenate([one.clusters for one in tested.values()])
        found = []
        for ligand, official in tested.items():
            columns = tuple(names.index(kind) for kind, sets in KINDS.items() if ligand in sets)
            dataset = official if test else ResidueLabels(self._source(ligand, "train", config.exclude), open_corpus)
            found.append(_Columns(dataset, self._kept(dataset, tested_clusters), columns, 0))
        if config.interfaces and config.split == "train":
            dataset = ResidueLabels(self._source(INTERFACES, "validation", config.exclude), open_corpus)
            found.append(_Columns(dataset, self._kept(dataset, tested_clusters), (names.index("protein"),), 0))
        return [one for one in found if len(one)]

    def _source(self, ligand: str, official: str, exclude: str) -> ResidueLabelsConfig:
        config = self.config
        return ResidueLabelsConfig(
            folder=config.folder, corpus=config.corpus, ligand=ligand, official=official, exclude=exclude
        )

    def _kept(self, dataset: ResidueLabels, tested_clusters: np.ndarray) -> np.ndarray:
        """Indices of the chains of a set that are of the split."""
        keep = np.ones(len(dataset), bool)
        if self.config.longest:
            keep &= dataset.lengths <= self.config.longest
        if self.config.split != "test":
            keep &= ~np.isin(dataset.clusters, tested_clusters) & ~np.isin(dataset.ids, list(self._left_out))
            valid = [int(short_digest(f"valid {one}".encode()), 16) % HELD_OUT == 0 for one in dataset.clusters]
            keep &= np.array(valid, bool) == (self.config.split == "valid")
        return np.flatnonzero(keep)


class _Columns(DataSet):
    """Some examples of a set, whose label [R] becomes some columns of [R, kinds], the others NaN."""

    def __init__(self, dataset: DataSet, indices, columns: tuple[int, ...], first_cluster: int, backbone: bool = False):
        self.dataset, self.indices, self.columns, self.backbone = dataset, indices, list(columns), backbone
        self.lengths = dataset.lengths[indices]
        self.clusters = dataset.clusters[indices] + first_cluster
        self.ids = tuple(dataset.ids[index] for index in indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Example:
        example = self.dataset[int(self.indices[index])]
        label = np.full((len(example.protein), len(KINDS)), np.nan, np.float32)
        label[:, self.columns] = example.labels[RESIDUES][:, None]
        protein = backbone_alone(example.protein) if self.backbone else example.protein
        return Example(example.id, protein, {RESIDUES: label}, int(self.clusters[index]))

    @property
    def digest(self) -> str:
        return short_digest(
            self.dataset.digest.encode(), self.indices.tobytes(), str((self.columns, self.backbone)).encode()
        )


def backbone_alone(protein: Protein) -> Protein:
    """The protein with the atoms that chains of the corpus have: N, CA and C; ligands and waters go too."""
    keep = np.isin(protein.atom_name, _BACKBONE)
    return protein.replace(
        position=protein.position[keep],
        atom_name=protein.atom_name[keep],
        element=protein.element[keep],
        residue_of=protein.residue_of[keep],
        hetero=Hetero.empty(),
    )


def _ids(name: str) -> set[str]:
    try:
        return set(Path(name).read_text(encoding="utf-8").split())
    except (OSError, ValueError) as error:
        raise InputError("the list of entries to leave out cannot be read", file=name, got=str(error)) from None
