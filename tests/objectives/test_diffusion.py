"""Denoising, DiffPreT and SiamDiff give the published losses; nothing leaks; two conformers are what they should be."""

import numpy as np
import pytest
import torch
from siamdiff_cases import Case, without_residue_types

from plait import registry
from plait.data.base import Example
from plait.data.conformers import Conformers, ConformersConfig
from plait.encoders.base import EncoderWithHeads
from plait.encoders.gearnet import GearNetEdgeConfig, GearNetEdgeEncoder
from plait.objectives.atom_tables import SLOTS, atom_codes
from plait.objectives.base import hide_residues, total, whole
from plait.objectives.diffusion import Draws
from plait.objectives.noise_schedule import alphas, noise_scales
from plait.structure import read_structure
from plait.structure.vocabulary import BACKBONE
from plait.training.examples import make_batch

RECORDED = (
    "denoising.residue", "denoising.atom", "diffpret.residue", "diffpret.atom", "siamdiff.residue", "siamdiff.atom",
    "siamdiff-stage2.residue", "siamdiff-stage2.atom", "siamdiff-gvp.atom", "residue-type.atom",
)  # fmt: skip
OBJECTIVES = {"siamdiff-stage2": "siamdiff", "siamdiff-gvp": "siamdiff", "residue-type": "diffpret"}


def recorded(case, objective) -> list[Draws]:
    """The recorded chance of each example."""
    arrays, draws = case.arrays, []
    names = arrays.files
    hidden = [np.zeros(0, np.int64)] * len(case.examples)
    if "draw:masked_residue.0" in names:
        hidden = case.split(arrays["draw:masked_residue.0"])
    first_atom, first_node = 0, 0
    for number, example in enumerate(case.examples):
        protein = example.protein
        bare = hide_residues(protein, np.isin(np.arange(len(protein)), hidden[number]), kept=BACKBONE[:3])
        noise = []
        for side in range(len(objective.sides)):
            if case.level == "residue":
                table, codes = np.zeros((len(protein), 3)), np.arange(len(protein))
            else:
                table, codes = np.zeros((len(protein) * SLOTS, 3)), atom_codes(bare)[1]
            if objective.gamma > 0:
                table[codes] = arrays[f"draw:position_noise.{side}"][first_node : first_node + len(codes)]
            noise.append(table if case.level == "residue" else table.reshape(-1, SLOTS, 3))
        conformer = None
        if "conformer_position" in names:
            moved = arrays["conformer_position"][first_atom : first_atom + len(protein.position)].astype(np.float64)
            conformer = lambda whole, moved=moved: whole.with_positions(moved)  # noqa: E731
        draws.append(Draws(int(arrays["draw:randint.0"][number]), hidden[number], conformer, noise))
        first_atom, first_node = first_atom + len(protein.position), first_node + len(codes)
    return draws


@pytest.mark.parametrize("name", RECORDED)
def test_the_published_loss(oracle, name):
    case = Case(oracle, name)
    kind, given = name.split(".")[0], case.config
    cls = registry.get("objective", OBJECTIVES.get(kind, kind))
    options = {"sigma_begin": given["sigma_begin"], "sigma_end": given["sigma_end"], "steps": given["num_noise_level"]}
    if kind != "denoising":
        options |= {"gamma": given["gamma"], "most_hidden": given.get("max_mask_ratio", 1.0)}
    objective = cls(cls.Config(compat=True, level=case.level, layers=given["num_mlp_layer"], **options))
    # the recorded schedule is in float32
    np.testing.assert_allclose(alphas(*list(options.values())[:3]), case.arrays["alphas"], rtol=1e-5)
    view = objective.ask(whole(case.examples), case.examples, recorded(case, objective))
    heads = objective.make_heads(case.encoder())
    if heads.structure is not None:
        heads.structure.struct_mlp.load_state_dict(case.heads("struct_mlp"))
        heads.structure.dist_mlp.load_state_dict(case.heads("dist_mlp"))
    if heads.seq_mlp is not None:
        heads.seq_mlp.load_state_dict(case.heads("seq_mlp", types=True))
    atoms = case.level == "atom" and objective.gamma < 1 and kind != "siamdiff-gvp"
    case.check(case.loss(objective, view, heads, without_residue_types if atoms else lambda batch: batch))
    for tensor, parameter in heads.named_parameters():
        if tensor.endswith("layers.1.weight"):
            case.check_norm(tensor.removeprefix("structure."), parameter.grad)
    if kind != "siamdiff-gvp":
        case.check_norm("model.layers.2.linear.weight", case.gradients["model.gearnet.layers.2.linear.weight"])


def test_the_published_schedules(oracle):
    """Noise in angstrom at some steps of both stages, as the specification states it."""
    scale = noise_scales(alphas(1e-3, 0.1, 100))
    assert np.allclose(scale[[0, 19, 39, 69, 99]], [0.035, 0.20, 0.54, 2.8, 13.9], rtol=0.03)
    assert np.allclose(noise_scales(alphas(1e-4, 1e-4, 5)), [0.0100, 0.0141, 0.0173, 0.0200, 0.0224], rtol=5e-3)


@pytest.fixture(scope="module")
def examples(structures):
    return [Example(name, read_structure(structures / name)) for name in ("1ubi.pdb", "2d7t.pdb.gz")]


def of(name, **options):
    cls = registry.get("objective", name)
    return cls(cls.Config(**options))


def seen(view):
    """Names and places of atoms, types and masks of a view and its others."""
    parts = [(p.position, p.atom_name, p.residue_type, m) for p, m in zip(view.proteins, view.masked)]
    return parts + [part for other in view.others.values() for part in seen(other)]


def same(first, second):
    return all(np.array_equal(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two))


@pytest.mark.parametrize("name", ["denoising", "diffpret", "siamdiff"])
def test_hidden_atoms_can_be_anywhere_at_atom_level(examples, name):
    """As the promise, which is tested at residue level; side chains are turned, and an atom has another name."""
    objective = of(name, level="atom")
    odd = examples[0].protein
    odd = odd.replace(atom_name=np.where(odd.atom_name == "CG", "CX9", odd.atom_name))
    examples = [Example("odd", odd), examples[1]]
    view = objective.view(examples, np.random.default_rng(0))
    changed = []
    for example, shown in zip(examples, view.proteins, strict=True):
        protein = example.protein
        there = set(zip(shown.residue_of.tolist(), shown.atom_name.tolist()))
        gone = np.array([key not in there for key in zip(protein.residue_of.tolist(), protein.atom_name.tolist())])
        assert gone[protein.atom_name == "CX9"].all()
        assert gone.sum() > 100 or name == "denoising"
        moved = np.array(protein.position)
        moved[gone] = 7
        changed.append(Example(example.id, protein.with_positions(moved)))
    assert same(seen(view), seen(objective.view(changed, np.random.default_rng(0))))


@pytest.mark.parametrize(("name", "level"), [(n, lv) for n in ("diffpret", "siamdiff") for lv in ("residue", "atom")])
def test_pairs_come_from_what_is_seen(examples, name, level):
    """By default no pair and no edge tells what was near before the noise; with edges=original both do."""
    encoder = GearNetEdgeEncoder(GearNetEdgeConfig(level=level, hidden=(8,) * 2))
    for edges in ("shown", "original"):
        batch = make_batch(
            encoder, of(name, level=level, edges=edges, only_step=80), examples, np.random.default_rng(0)
        )
        view, graph = batch.view, batch.inputs
        blind = encoder.prepare(view.proteins, masked=view.masked)
        assert torch.equal(graph.position, blind.position)
        assert (len(graph.source) == len(blind.source) and torch.equal(graph.source, blind.source)) == (
            edges == "shown"
        )
        pairs = view.targets[f"{name}_code_0"]
        assert len(np.unique(np.sort(pairs, axis=1), axis=0)) == len(pairs)
        number = graph.residue if level == "residue" else graph.residue * SLOTS
        if level == "residue":
            joined = set(zip(number[graph.source].tolist(), number[graph.target].tolist()))
            assert {tuple(sorted(pair)) for pair in pairs.tolist()} == {
                tuple(sorted(p)) for p in joined if p[0] != p[1]
            }


def test_structure_tokens_of_the_clean_structure_are_not_shown(examples):
    tokens = [Example(e.id, e.protein, {"structure_tokens": np.zeros(len(e.protein), int)}) for e in examples]
    for name, gone in (("denoising", True), ("residue-type", False), ("siamdiff", True)):
        view = of(name).view(tokens, np.random.default_rng(0))
        assert ("structure_tokens" not in view.extras[0]) == gone


def test_two_conformers_share_what_is_hidden(examples):
    """Same step, same masks; places differ by more than the noise where a real conformer is far."""
    names = ("N", "CA", "C", "O", "CB")  # where every residue's names begin
    table = np.stack([examples[0].protein.atom(name) for name in names], axis=1) + np.float32(5)
    table[3, 1] = np.nan
    real = [Example("real", examples[0].protein, {"conformer": table}), examples[1]]
    for level in ("residue", "atom"):
        view = of("siamdiff", level=level, only_step=0).view(real, np.random.default_rng(0))
        other = view.others["siamdiff"]
        assert all(np.array_equal(a, b) for a, b in zip(view.masked, other.masked))
        for mine, yours in zip(view.proteins, other.proteins):
            assert np.array_equal(mine.residue_type, yours.residue_type)
        difference = other.proteins[0].backbone - view.proteins[0].backbone
        assert np.isnan(difference[3, 1]).all()
        # noise of 0.035 angstrom at this step, in both: 6 standard deviations
        assert np.nanmax(np.abs(difference - 5)) < 6 * 0.0355 * 2**0.5
        made = other.proteins[1].backbone - view.proteins[1].backbone
        noise = noise_scales(alphas(1e-3, 0.1, 100))[0]
        spread = ((0.3**2 if level == "residue" else 0) + 2 * noise**2) ** 0.5
        assert np.nanstd(made) == pytest.approx(spread, rel=0.05)


def test_a_real_pair_of_the_data_set(shared):
    """Both sides of a pair stand in the view, but for the noise of the first step (0.035 angstrom) and hidden atoms."""
    data = Conformers(ConformersConfig(folder=str(shared / "data" / "conformers"), split="valid", least=1.0, most=3.0))
    example = data[0].crop(5, 50)
    for level in ("residue", "atom"):
        view = of("siamdiff", level=level, only_step=0).view([example], np.random.default_rng(0))
        first, second = view.proteins[0].c_alpha, view.others["siamdiff"].proteins[0].c_alpha
        assert np.abs(first - example.protein.c_alpha).max() < 6 * 0.0355
        assert np.abs(second - example.labels["conformer"][:, 1]).max() < 6 * 0.0355
        assert np.abs(first - second).max() > 0.5
        hidden = view.masked[0][view.proteins[0].residue_of]
        assert hidden.any() and not (view.proteins[0].atom_name[hidden] == "CB").any()


def test_the_answer_for_one_conformer_comes_from_the_other(examples):
    """Vectors of the second conformer answer for the first; the second's own positions are read in its scores alone."""
    objective, encoder = of("siamdiff"), GearNetEdgeEncoder(GearNetEdgeConfig(hidden=(8,) * 2))
    model = EncoderWithHeads(encoder, {}, objective.make_heads(encoder)).eval()
    batch = make_batch(encoder, objective, examples, np.random.default_rng(0))
    asked = []
    encoder.register_forward_hook(lambda module, given, made: asked.append(made.residue.requires_grad_()))
    outputs = batch.outputs(model)
    first, second = asked
    for side, (answering, asking) in enumerate(((second, first), (first, second))):
        for kind in ("score", "type"):
            value = outputs[f"siamdiff_{kind}_{side}"].sum()
            got = torch.autograd.grad(value, [answering, asking], retain_graph=True, allow_unused=True)
            assert got[0].abs().max() > 0 and (got[1] is None or not got[1].any())
    total(objective.loss(outputs, batch.view)).backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.abs().max() > 0 for p in model.objective_heads.parameters())


def test_noise_and_hidden_share_grow_together(examples):
    shares, spreads = [], []
    for step in (0, 50, 99):
        view = of("diffpret", only_step=step).view(examples, np.random.default_rng(0))
        shares.append(np.concatenate(view.masked).mean())
        moved = view.proteins[0].c_alpha - examples[0].protein.c_alpha
        spreads.append(moved.std())
    assert np.allclose(shares, [0.1585, 0.5835, 1.0], atol=0.01)
    assert np.allclose(spreads, noise_scales(alphas(1e-3, 0.1, 100))[[0, 50, 99]], rtol=0.2)
