"""Recorded outputs of the published GearNet, SiamDiff and GVP programs on real structures."""

import json

import numpy as np

from plait.encoders.blocks.torchdrug import ATOMIC_NUMBERS, PUBLISHED_RESIDUES
from plait.structure import Protein
from plait.structure.vocabulary import RESIDUES


class SiamDiffOracle:
    """The folder `oracle/siamdiff` of the shared data; its README says what is in the files."""

    def __init__(self, folder):
        self.folder = folder

    def arrays(self, *parts):
        return np.load(self.folder.joinpath(*parts))

    def summary(self, part):
        return json.loads((self.folder / part / "summary.json").read_text())

    def protein(self, name) -> Protein:
        """The structure of this name, as the published reader read it."""
        a = self.arrays("structures", f"{name}.npz")
        residues = len(a["residue_type"])
        chain = np.array([" ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i] for i in a["chain_id"]])
        element = {number: symbol for symbol, number in ATOMIC_NUMBERS.items()}
        return Protein(
            residue_type=np.array([RESIDUES.index(PUBLISHED_RESIDUES[t]) for t in a["residue_type"]], np.int8),
            residue_name=a["residue_name"],
            chain=chain,
            label_chain=chain,
            author_number=a["residue_number"].astype(np.int32),
            insertion_code=np.full(residues, ""),
            sequence_index=np.arange(residues, dtype=np.int32),
            b_factor=np.zeros(residues, np.float32),
            position=a["position"],
            atom_name=a["atom_name"],
            element=np.array([element[n] for n in a["atomic_number"].tolist()]),
            residue_of=a["atom2residue"].astype(np.int32),
            source=name,
        )

    def encoder(self, name):
        """Weights, recorded arrays and the summary of an encoder."""
        from safetensors.torch import load_file

        weights = load_file(self.folder / "encoders" / f"{name}.safetensors")
        return weights, self.arrays("encoders", f"{name}.npz"), self.summary("encoders")[name]
