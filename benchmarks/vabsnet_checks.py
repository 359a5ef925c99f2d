"""What of Vabs-Net can be counted or compared: parameters, invariance, agreement with the published program.

Each function gives the lines of a section of docs/results/vabsnet.md; `vabsnet_page.py` calls them.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder, VabsnetForPretraining
from plait.structure import read_structure

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path += [str(TESTS / "encoders" / "vabsnet"), str(TESTS / "objectives")]

ALL_HEADS = ("residue_type", "atom_position", "atom_accessibility", "torsion")
PUBLISHED = (
    ("pre-training heads", {"language_width": 1280}, ALL_HEADS, 0, 92_408_411),
    ("site head", {"language_width": 1280}, ("sites",), 0, 89_853_570),
    ("EC head, 538 classes", {"language_width": 1280}, ("graph",), 538, 179_180_954),
    ("GO-MF head, 489 classes", {"language_width": 1280}, ("graph",), 489, 178_729_321),
    ("GO-BP head, 1,943 classes", {"language_width": 1280}, ("graph",), 1943, 192_130_839),
    ("GO-CC head, 320 classes", {"language_width": 1280}, ("graph",), 320, 177_171_648),
    ("no head", {"language_width": 1280}, (), 0, 89_259_904),
    ("pre-training heads, no language features", {}, ALL_HEADS, 0, 89_782_363),
    ("pre-training heads, residues only", {"language_width": 1280, "residue_only": True}, ALL_HEADS, 0, 49_086_619),
    ("no absolute directions", {"language_width": 1280, "absolute_directions": False}, ALL_HEADS, 0, 92_385_371),
)
"""What is built, and the specification's count for it (section 0)."""

STRUCTURES = ("1ubi.pdb", "4eiy.cif.gz", "2d7t.pdb.gz", "3jqh.cif", "1ubi_ca.pdb", "2d0f.cif.gz")
POSES = 3
LIMITS = {"float32": 1e-4, "float64": 1e-9}


def parameters(shared: Path) -> list[str]:
    """Parameter counts of the published size beside the specification's, and those of our sizes."""
    lines = [
        "Published size in the published form (`compat`), counted on the built network, beside the specification's.",
        "",
        "| network | parameters | specification | difference |",
        "| --- | --- | --- | --- |",
    ]
    for name, options, heads, classes, expected in PUBLISHED:
        with torch.device("meta"):
            model = VabsnetForPretraining(VabsnetConfig(size="published", compat=True, **options), heads, classes)
        count = sum(parameter.numel() for parameter in model.parameters())
        lines.append(f"| {name} | {count:,} | {expected:,} | {count - expected} |")
    lines += ["", "Encoders of our form, without heads and language features:", ""]
    lines += ["| size | layers | width | heads | edges | parameters |", "| --- | --- | --- | --- | --- | --- |"]
    for size in ("small", "base", "published"):
        config = VabsnetConfig(size=size)
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in VabsnetEncoder(config).parameters())
        lines.append(
            f"| {size} | {config.layers} | {config.width} | {config.heads} | {config.edge_width} | {count:,} |"
        )
    return lines


@torch.no_grad()
def invariance(shared: Path) -> list[str]:
    """Largest change of vectors and displacements when a structure is turned and moved."""
    lines = [
        "Largest absolute change of any vector (residues, atoms, protein; their standard deviation is about 1) over "
        f"{len(STRUCTURES)} structures ({', '.join(STRUCTURES)}) in {POSES} random poses each, moved by up to 50 "
        "angstrom, and of predicted displacements turned back (angstrom). Random weights. Coordinates go in as "
        "float64, so that the pose itself does not round them.",
        "",
        "| size | dtype | residues | atoms | protein | displacements, A | limit |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for size in ("small", "base"):
        for dtype, limit in LIMITS.items():
            worst = np.max([pose_changes(VabsnetConfig(size=size), shared, file, dtype) for file in STRUCTURES], axis=0)
            lines.append(f"| {size} | {dtype} | " + " | ".join(f"{one:.1e}" for one in worst) + f" | {limit:.0e} |")
    worst = pose_changes(VabsnetConfig(compat=True), shared, STRUCTURES[0], "float64", random=True)
    lines.append("| small, `compat` | float64 | " + " | ".join(f"{one:.1e}" for one in worst) + " | none |")
    lines += ["", "The last row is why the published features are not the default: they change with the pose."]
    far = {size: half_precision(VabsnetConfig(size=size), shared, STRUCTURES[1]) for size in ("small", "base")}
    said = ", ".join(f"{one:.1%} of their own size ({size})" for size, one in far.items())
    return [*lines, "", f"bfloat16 instead of float32 moves the vectors of residues ({STRUCTURES[1]}) by {said}."]


def half_precision(config, shared: Path, file: str) -> float:
    """Root mean square difference of residues' vectors in bfloat16 from those in float32, over theirs."""
    torch.manual_seed(0)
    encoder = VabsnetEncoder(config).eval()
    batch = encoder.prepare([read_structure(shared / "data" / "structures" / file)])
    single = encoder(batch).residue
    half = encoder.bfloat16()(batch).residue.float()
    return float((half - single).norm() / single.norm())


def pose_changes(config, shared: Path, file: str, dtype: str, random: bool = False) -> list[float]:
    torch.manual_seed(0)
    encoder = VabsnetEncoder(config).eval()
    readout = encoder.make_readout({"atom_position": 3}).eval()
    for module in (encoder, readout):
        module.to(getattr(torch, dtype))
        if random:  # the published initial weights close every branch
            for parameter in module.parameters():
                torch.nn.init.normal_(parameter, std=0.3)
    protein = read_structure(shared / "data" / "structures" / file)
    position = protein.position.astype(np.float64)
    generator, changes = np.random.default_rng(0), []

    def ask(place):
        found = encoder(encoder.prepare([protein.replace(position=place)]))
        moves = readout(found)["atom_position"].double().numpy()
        return [found.residue.double(), found.atom.double(), found.protein.double(), moves]

    first = ask(position)
    for _ in range(POSES):
        turn = Rotation.random(random_state=generator).as_matrix()
        other = ask(position @ turn.T + generator.uniform(-50, 50, 3))
        other[3] = other[3] @ turn
        changes.append([float(abs(one - two).max()) for one, two in zip(first, other, strict=True)])
    return np.max(changes, axis=0).tolist()


def oracle(shared: Path) -> list[str]:
    """Largest differences from what the published program gave, for every case of the oracle."""
    lines = [
        "Largest absolute difference from the published program's outputs with random weights, in float64 but for "
        "edges (float32, as published); losses from raw chains and recorded draws; gradient norms relative, where "
        "above 1e-3.",
        "",
        "| case | positions | directions | edges | nodes | logits and areas | positions predicted | torsions | losses "
        "| gradient norms |",
        "| --- |" + " --- |" * 9,
        "| tolerance | 1e-12 | 3e-6 | 3e-6 | 3e-6 | 3e-6 | 5e-5 | 2e-5 | 2e-5 | 1e-4 |",
    ]
    from vabsnet_cases import CASES

    for name in CASES:
        cells = [f"{one:.1e}" for one in network_differences(shared / "oracle", name)]
        cells += loss_differences(shared / "oracle", name)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [*lines, "", "Node, edge and neighbour tables, types and masks are equal exactly."]


@torch.no_grad()
def network_differences(folder: Path, name: str) -> list[float]:
    from test_vabsnet_oracle import published_order
    from vabsnet_cases import prepare_cases, read_case, read_model

    case, model = read_case(folder, name), read_model(folder, name)
    batch, expected = prepare_cases(model, [case]), case.arrays
    output, _ = model(batch)

    def apart(ours, theirs):
        return float(np.abs(ours.numpy() - theirs).max(initial=0))

    order = published_order(batch.residue, expected["in/edge_index"])
    edges = apart(output.residue_edges[order], expected["out/rr_edges"])
    codes, vectors = model.encoder.residue_edges.codes(batch.residue)[order], expected["in/edge_vec"]
    step = 1 if len(codes) == len(vectors) else max(1, len(codes) // 150)
    directions = apart(codes[::step], vectors)
    output, answers = model.double()(batch)
    nodes = max(
        apart(hidden, expected[f"out/nodes_layer{number}"])
        for number, hidden in enumerate(output.hidden)
        if f"out/nodes_layer{number}" in expected
    )
    values = max(
        apart(answers["residue_type"][batch.residue_type == 22], expected["out/residue_type_logits"]),
        apart(answers["atom_accessibility"], expected["out/sasa_pred"]),
        apart(answers["sites"], expected["out/pocket_logits"]),
    )
    predicted = apart(batch.position + answers["atom_position"], expected["out/atom_pos_pred"])
    torsion = answers["torsion"]
    angles = apart(torsion / torsion.norm(dim=-1, keepdim=True), expected["out/torsion"])
    return [apart(batch.position, expected["in/atom_pos"]), directions, edges, nodes, values, predicted, angles]


def loss_differences(folder: Path, name: str) -> list[str]:
    import json

    from test_smpc_oracle import SMPC, TERMS, answer, network_of, published_view

    from plait.encoders.vabsnet.published import from_published
    from plait.objectives.base import total

    if name not in SMPC:
        return ["", ""]
    arrays = np.load(folder / "vabsnet" / f"{name}.npz")
    network, objective = network_of(folder, name)
    view = published_view(folder, [name])
    terms = objective.loss(answer(network, view), view)
    losses = max(abs(terms[ours].value.item() - float(arrays[f"loss/{theirs}"])) for ours, theirs in TERMS.items())
    file = folder / "vabsnet" / f"gradient_norms_{name}.json"
    if not file.exists():
        return [f"{losses:.1e}", ""]
    total(terms).backward()
    norms = {key: one.grad.norm().item() for key, one in network.named_parameters() if one.grad is not None}
    expected = {key: torch.tensor(value or 0.0) for key, value in json.loads(file.read_text())["norms"].items()}
    worst = 0.0
    for key, value in from_published(expected).items():
        key = key.replace("encoder.", "encoder.vabsnet.", 1).replace("heads.", "readout.heads.", 1)
        if value > 1e-3:
            worst = max(worst, abs(norms[key] / value.item() - 1))
    return [f"{losses:.1e}", f"{worst:.1e}"]
