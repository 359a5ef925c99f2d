"""The oracle's cases of Vabs-Net, from raw arrays and recorded draws to what the featuriser reads."""

import json
from dataclasses import dataclass

import numpy as np
from safetensors.torch import load_file

from plait.encoders.vabsnet.configuration import VabsnetConfig
from plait.encoders.vabsnet.features import bisector_frames, prepare
from plait.encoders.vabsnet.heads import VabsnetForPretraining
from plait.encoders.vabsnet.loading import load_state
from plait.encoders.vabsnet.published import ATOM_SLOTS, TO_PUBLISHED
from plait.structure.protein import Protein
from plait.structure.vocabulary import THREE_LETTER

CASES = (
    "base_smpc_1l2y", "base_smpc_2axd", "base_smpc_5eil_damaged", "base_sites_1l2y", "relative_only_smpc_1l2y",
    "preln_smpc_1l2y", "residue_only_smpc_1l2y",
)  # fmt: skip
HEADS = ("residue_type", "atom_position", "torsion", "atom_accessibility", "sites", "graph")


@dataclass
class Case:
    """A chain as the featuriser gets it: posed, noised, with the masked residues' atoms gone."""

    arrays: dict
    protein: Protein
    masked: np.ndarray
    frames: np.ndarray
    language: np.ndarray


def rotation(theta, phi, gamma):
    """Rz(gamma) Ry(phi) Rx(theta)."""
    (ct, cp, cg), (st, sp, sg) = np.cos([theta, phi, gamma]), np.sin([theta, phi, gamma])
    x = np.array([[1, 0, 0], [0, ct, -st], [0, st, ct]])
    y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    z = np.array([[cg, -sg, 0], [sg, cg, 0], [0, 0, 1]])
    return z @ y @ x


def protein_of(positions, present, types, source) -> Protein:
    """A `Protein` with float64 coordinates from slots [R, 37, 3]."""
    ours = np.argsort(TO_PUBLISHED)[types].astype(np.int8)
    count = len(types)
    names = np.broadcast_to(np.array(ATOM_SLOTS), present.shape)[present]
    base = Protein.from_backbone("A" * count, np.full((count, 4, 3), np.nan), source=source)
    return base.replace(
        residue_type=ours,
        residue_name=np.array(THREE_LETTER)[ours],
        position=positions[present],
        atom_name=names,
        element=np.array([name[0] for name in names]),
        residue_of=np.nonzero(present)[0].astype(np.int32),
    )


def read_case(oracle, name) -> Case:
    arrays = dict(np.load(oracle / "vabsnet" / f"{name}.npz"))
    position, present = arrays["raw/atom_pos"], arrays["raw/atom_masks"] > 0
    kept = present[:, 1]
    position, present, types = position[kept], present[kept], arrays["raw/residue_type"][kept]
    language = arrays["raw/esm_feat"][kept].astype(np.float32)
    turned = position @ rotation(*arrays["draws/euler_theta_phi_gamma"])
    turned = turned + arrays["draws/translation"]
    turned = np.where(present[..., None], turned - turned[:, 1].mean(0), 0)
    noised = turned.copy()
    noised[:, [0, 1, 2, 4]] = arrays["draws/noisy_backbone_N_CA_C_O"]
    masked = np.zeros(len(types), bool)
    for length, start in spans(arrays, len(types)):
        masked[start : start + length] = True
    frames = bisector_frames(noised)
    visible = present & (~masked[:, None] | (np.arange(37) == 1))
    language[masked] = 0
    language = np.concatenate([language, arrays["raw/esm_cls_feat"][None].astype(np.float32)])
    return Case(arrays, protein_of(noised, visible, types, name), masked, frames, language)


def spans(arrays, residues):
    """The recorded spans, cut to the budget."""
    masked, budget = 0, int(0.3 * residues)
    for length, start in arrays.get("draws/span_poisson_and_start", ()):
        length = min(int(length), budget - masked)
        masked += length
        yield length, int(start)


def config_of(oracle, name) -> VabsnetConfig:
    kind = "_".join(name.split("_")[: -2 if "damaged" not in name else -3]) or "base"
    values = json.loads((oracle / "vabsnet" / f"config_{kind}.json").read_text())
    return VabsnetConfig(
        compat=True,
        layers=values["num_layers"],
        width=values["node_dim"],
        feed_forward=values["encoder_ffn_embed_dim"],
        heads=values["encoder_attention_heads"],
        edge_width=values["edge_dim"],
        kernels=values["num_3d_bias_kernel"],
        residue_neighbours=values["knn_res"],
        atom_neighbours=values["knn_atom2atom"],
        language_width=values["esm_dim"],
        absolute_directions=bool(values["use_absolute"]),
        norm="pre" if values["preln"] else "post",
        residue_only=bool(values["residue_only"]),
        virtual_points=3 if "smpc" in name else 0,
    )


def read_model(oracle, name) -> VabsnetForPretraining:
    config = config_of(oracle, name)
    heads = HEADS if not config.residue_only else HEADS[:-1]
    model = VabsnetForPretraining(config, heads, classes=320)
    load_state(model, read_weights(oracle, name))
    return model.eval()


def read_weights(oracle, name):
    """The tensors of a case under their published names."""
    kind = next(k for k in ("relative_only", "residue_only", "preln", "base") if name.startswith(k))
    return load_file(oracle / "vabsnet" / f"weights_{kind}.safetensors")


def prepare_cases(model, cases):
    """The batch of some cases; the chains lie about the origin already."""
    return prepare(
        model.config,
        [case.protein for case in cases],
        frames=[case.frames for case in cases],
        language=[case.language for case in cases],
        masked=[case.masked for case in cases],
        origin=[np.zeros(3)] * len(cases),
    )
