"""How far plait is from the published ProSST programs, on every case of the oracle.

    python benchmarks/oracle_agreement.py --oracle ../shared/oracle/prosst --out docs/results/oracle_agreement.md

Largest absolute differences; tokens that differ, of all residues. The tests hold the same numbers to 1e-5.
"""

import argparse
import dataclasses
import json
import lzma
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch

from plait.encoders.prosst import ProsstConfig, ProsstForMaskedLM
from plait.encoders.prosst.published import load_folder, load_state
from plait.structure.protein import Protein
from plait.tokenizers.codebook import Codebook
from plait.tokenizers.gvp import GVPTokenizer

CODEBOOKS = (20, 128, 2048)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oracle", type=Path, default=Path("../shared/oracle/prosst"))
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    text = "\n".join(
        [
            "# Agreement with the published programs",
            "",
            "Outputs of the published ProSST programs with random weights, beside plait's `compat` and corrected "
            "forms. Largest absolute difference in float32; the oracle's tolerance is 1e-5.",
            "",
            "    python benchmarks/oracle_agreement.py",
            "",
            *quantiser(options.oracle / "quant"),
            "",
            *language_model(options.oracle / "lm"),
            "",
        ]
    )
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def quantiser(folder: Path) -> list[str]:
    """One line per structure: embeddings, and tokens at each K."""
    lines = [
        "## Structure quantiser",
        "",
        "| case | residues | embedding | " + " | ".join(f"tokens differ, K = {k}" for k in CODEBOOKS) + " |",
        "| --- |" + " --- |" * (2 + len(CODEBOOKS)),
    ]
    codebooks = {k: Codebook.load(folder / f"codebooks/{k}.npy") for k in CODEBOOKS}
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "encoder.safetensors"
        file.write_bytes(lzma.decompress((folder / "encoder.safetensors.xz").read_bytes()))
        tokenizer = GVPTokenizer.from_published(file, folder / "codebooks/20.npy")
    for name, case in json.loads((folder / "cases.json").read_text())["cases"].items():
        expected = np.load(folder / f"expected/{name}.npz")
        backbone = (expected["coords_milliangstrom"] / 1000).astype(np.float32)
        embedding = tokenizer.embed(Protein.from_backbone(case["sequence"], backbone))
        differ = [int((codebooks[k].assign(embedding) != expected[f"tokens_{k}"]).sum()) for k in CODEBOOKS]
        distance = np.abs(embedding - expected["embeddings"]).max()
        lines.append(f"| {name} | {len(embedding)} | {distance:.1e} | " + " | ".join(map(str, differ)) + " |")
    return lines


@torch.no_grad()
def language_model(folder: Path) -> list[str]:
    """One line per configuration: logits and loss, as published and corrected."""
    lines = [
        "## Language model",
        "",
        "| case | logits, compat | loss, compat | logits, corrected | loss, corrected |",
        "| --- | --- | --- | --- | --- |",
    ]
    for place in sorted(folder.glob("*/config.json")):
        expected = dict(np.load(place.parent / "expected.npz"))
        names = ("input_ids", "ss_input_ids", "attention_mask", "labels")
        inputs = {name: torch.from_numpy(expected[name].astype(np.int64)) for name in names}
        model = load_folder(place.parent)
        cells = differences(model(**inputs), expected, inputs["attention_mask"], "")
        if "logits_corrected" in expected:
            other = ProsstForMaskedLM(dataclasses.replace(model.config, structure_to_residue="corrected"))
            load_state(other, model.state_dict())
            cells += differences(other.eval()(**inputs), expected, inputs["attention_mask"], "_corrected")
        else:
            cells += ["", ""]
        lines.append(f"| {place.parent.name} | " + " | ".join(cells) + " |")
    return [*lines, *full_size(folder)]


def differences(output, expected: dict, mask, suffix: str) -> list[str]:
    logits = np.abs(output.logits.numpy() - expected["logits" + suffix])[mask.bool().numpy()].max()
    return [f"{logits:.1e}", f"{abs(output.loss.item() - float(expected['loss' + suffix])):.1e}"]


def full_size(folder: Path) -> list[str]:
    """The published size with the recipe's weights."""
    expected = dict(np.load(folder / "full_size_expected.npz"))
    model = recipe_model()
    lines = []
    for name in ("p1", "grb2_af"):
        ids = (torch.from_numpy(expected[f"{name}_{kind}"].astype(np.int64)) for kind in ("input_ids", "ss_input_ids"))
        difference = np.abs(model(*ids).logits.numpy() - expected[f"{name}_logits"]).max()
        lines.append(f"| full size (117 M parameters), {name} | {difference:.1e} | | | |")
    return lines


def recipe_model() -> ProsstForMaskedLM:
    """Weights drawn by name, as the oracle's README says."""
    config = ProsstConfig.from_dict(
        {
            "vocab_size": 25, "ss_vocab_size": 2051, "relative_attention": True, "max_relative_positions": 1024,
            "pos_att_type": ["aa2pos", "pos2aa", "aa2ss", "ss2aa"],
        }
    )  # fmt: skip
    model = ProsstForMaskedLM(config)
    state = {}
    for name, tensor in model.state_dict().items():
        generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
        z = generator.standard_normal(tensor.numel(), dtype=np.float32).reshape(tensor.shape)
        if name.endswith(("LayerNorm.weight", "layer_norm.weight")):
            z = np.float32(1) + np.float32(0.125) * z
        else:
            z = np.float32(0.0625 if name.endswith("bias") else 0.03125) * z
        state[name] = torch.from_numpy(z)
    state["prosst.embeddings.word_embeddings.weight"][0] = 0
    load_state(model, state)
    return model.eval()


if __name__ == "__main__":
    main()
