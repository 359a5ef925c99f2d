"""Span masks in our form: nothing of what is hidden is seen, and losses equal independent computations."""

import numpy as np
import pytest
import torch

from plait.data.base import Example
from plait.encoders.base import EncoderWithHeads
from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder
from plait.errors import InputError
from plait.objectives import smpc
from plait.objectives.base import total
from plait.objectives.lee_richards import sliced_area
from plait.objectives.masked_lm import MaskedLM
from plait.objectives.smpc import Smpc, SmpcConfig
from plait.objectives.spans import draw_singles, draw_spans, generated, published_spans
from plait.objectives.torsions import periodic, torsion_errors, torsions
from plait.registry import get
from plait.structure import Protein, read_structure
from plait.structure.geometry import backbone_dihedrals
from plait.structure.vocabulary import RESIDUES

TINY = {"layers": 1, "width": 16, "feed_forward": 16, "heads": 4, "edge_width": 8, "kernels": 8}


@pytest.fixture(scope="module")
def ubiquitin(structures):
    return Example("1ubi", read_structure(structures / "1ubi.pdb"))


@pytest.fixture(scope="module")
def antibody(structures):
    return Example("2d7t", read_structure(structures / "2d7t.pdb.gz"))


def view_of(examples, seed=0, **options):
    return Smpc(SmpcConfig(**options)).view(examples, np.random.default_rng(seed))


def test_hidden_residues_keep_only_a_noised_alpha(ubiquitin):
    view = view_of([ubiquitin])
    shown, hidden, true = view.proteins[0], view.masked[0], ubiquitin.protein
    assert (shown.atom_name[hidden[shown.residue_of]] == "CA").all()
    apart = shown.c_alpha - true.c_alpha
    assert (apart[~hidden] == 0).all()
    assert 0.3 < apart[hidden].std() < 0.7  # 0.5, of 69 numbers
    assert int(hidden.sum()) == round(0.3 * 76)
    backbone = view_of([ubiquitin], kept="backbone")
    assert set(backbone.proteins[0].atom_name[hidden[backbone.proteins[0].residue_of]]) == {"N", "CA", "C", "O"}
    whole = view_of([ubiquitin], kept="all", masking="single")
    assert len(whole.proteins[0].position) == len(true.position)
    assert (whole.proteins[0].residue_type[whole.masked[0]] == 20).all()


def test_spans_fill_the_budget_anywhere():
    generator, counts = np.random.default_rng(0), np.zeros(50)
    for _ in range(2000):
        hidden = draw_spans(np.zeros(50, int), 0.3, 6, generator)
        assert hidden.sum() == 15
        counts += hidden
    # 600 of each, standard deviation 20; fewer at the ends, where runs that fill the budget seldom are
    assert counts.min() > 500
    assert counts.max() < 700


def test_spans_end_with_the_chain():
    """Among chains of one residue long runs are single residues: neighbours are as rare as in a random choice."""
    generator = np.random.default_rng(0)
    both = [draw_spans(np.arange(100), 0.2, 40, generator) for _ in range(50)]
    pairs = np.mean([(hidden[1:] & hidden[:-1]).sum() for hidden in both])
    assert 2.8 < pairs < 4.8  # 3.8 expected; 19 in one run


def test_runs_are_as_long_as_asked():
    """Few runs, so that they seldom meet; the last is cut to the budget, which is 10 runs, so 5.8 or so of 6."""
    generator, lengths = np.random.default_rng(0), []
    for _ in range(200):
        hidden = draw_spans(np.zeros(3000, int), 0.02, 6, generator).astype(int)
        edges = np.flatnonzero(np.diff(hidden, prepend=0, append=0))
        lengths += (edges[1::2] - edges[::2]).tolist()
    assert 5.5 < np.mean(lengths) < 6.1


def test_single_residues():
    hidden = draw_singles(100, 0.3, np.random.default_rng(0))
    assert hidden.sum() == 30


def test_published_spans_cover_less_than_they_say():
    """0.26 on average at 129 residues, standard deviation 0.027, and never the last (specification, 5.1)."""
    generator = np.random.default_rng(0)
    shares = [published_spans(129, generated(generator)) for _ in range(500)]
    means = [share.mean() for share in shares]
    assert abs(np.mean(means) - 0.26) < 0.006
    assert abs(np.std(means) - 0.027) < 0.005
    assert not any(share[-1] for share in shares)


def network(objective, **options):
    torch.manual_seed(0)
    return EncoderWithHeads(VabsnetEncoder(VabsnetConfig(**TINY, **options)), objective.heads).eval()


def answer(model, view):
    return model(model.encoder.prepare(view.proteins, masked=view.masked))


def test_leaving_atoms_where_they_are_costs_1_197(antibody):
    view = view_of([antibody] * 10)
    outputs = {"atom_position": torch.zeros(sum(len(p.position) for p in view.proteins), 3)}
    objective = Smpc(SmpcConfig(residue_type=0, torsion=0, accessibility=0))
    terms = objective.loss(outputs, view)
    # mean of 3 times 680 half-normal variables: standard error 0.02
    assert abs(terms["position"].value.item() - 3 * 0.5 * np.sqrt(2 / np.pi)) < 0.06
    assert 0.2 < terms["pair_distance"].value.item() < 0.5


def test_distances_are_asked_of_near_and_drawn_atoms(ubiquitin):
    options = {"pair_neighbours": 5, "pair_samples": 3}
    view = view_of([ubiquitin], **options)
    generator = np.random.default_rng(5)
    moves = generator.normal(0, 1, (len(view.proteins[0].position), 3)).astype(np.float32)
    term = Smpc(SmpcConfig(**options)).loss(
        {"residue_type": torch.zeros(76, 20), "torsion": torch.zeros(76, 14), "accessibility": torch.zeros(76, 1),
         "atom_position": torch.from_numpy(moves)}, view,
    )["pair_distance"]  # fmt: skip
    shown, true = view.proteins[0], ubiquitin.protein
    where = {key: row for row, key in enumerate(zip(shown.residue_of, shown.atom_name, strict=True))}
    clean = {key: true.position[row] for row, key in enumerate(zip(true.residue_of, true.atom_name, strict=True))}
    names = {code: key for key, code in zip(where, smpc.atom_codes(shown)[1], strict=True)}
    errors, partners = [], {}
    for first, second in view.targets["pairs"]:
        a, b = names[first], names[second]
        predicted = np.linalg.norm((shown.position + moves)[where[a]] - (shown.position + moves)[where[b]])
        errors.append(abs(predicted - np.linalg.norm(clean[a] - clean[b])))
        partners.setdefault(a, []).append(b)
    assert abs(term.value.item() - np.mean(errors)) < 1e-4
    assert term.count == len(errors)
    assert set(partners) == {(i, "CA") for i in np.flatnonzero(view.masked[0])}
    for atom, others in partners.items():
        distance = np.linalg.norm(shown.position - shown.position[where[atom]], axis=1)
        distance[where[atom]] = np.inf
        nearest = {key for key, row in where.items() if row in np.argsort(distance)[:5]}
        assert nearest <= set(others)


def test_torsions(ubiquitin):
    angles = torsions(ubiquitin.protein)
    phi, psi, omega = backbone_dihedrals(ubiquitin.protein).T
    assert np.allclose(angles[1:, 0], omega[1:])
    assert np.allclose(angles[1:, 1], phi[1:])
    assert np.allclose(angles[:-1, 2], psi[:-1])
    # the oxygen lies opposite the next N, in the plane to within some degrees
    published = torsions(ubiquitin.protein, published=True)
    apart = np.angle(np.exp(1j * (published[:-1, 2] - psi[:-1])))
    assert np.abs(apart).max() < np.deg2rad(12)
    assert np.isfinite(angles[-1, 2])
    types = np.array([RESIDUES.index(letter) for letter in "DEFYNR"])
    assert [np.flatnonzero(row).tolist() for row in periodic(types)] == [[4], [5], [4], [4], [], []]


def test_torsion_errors():
    target = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    alike = torch.tensor([[False, True]])
    error, length = torsion_errors(torch.tensor([[[0.0, 2.0], [0.0, -1.0]]]), target, alike)
    assert torch.allclose(error, torch.tensor([[2.0, 0.0]]))
    assert torch.allclose(length, torch.tensor([[1.0, 0.0]]), atol=1e-6)


def test_it_trains_what_an_encoder_answers(ubiquitin):
    objective = Smpc()
    view = view_of([ubiquitin])
    everything = ("residue_type", "position", "pair_distance", "torsion", "accessibility")
    encoder = VabsnetEncoder(VabsnetConfig(**TINY))
    assert objective.trains(encoder) == everything
    prosst = get("encoder", "prosst")
    residues = EncoderWithHeads(
        prosst(prosst.Config(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)),
        objective.heads,
    )
    assert objective.trains(residues.encoder) == ("residue_type", "torsion", "accessibility")
    for model, missing in ((network(objective), set()), (residues, {"position", "pair_distance"})):
        terms = objective.loss(answer(model, view), view)
        assert {name for name, term in terms.items() if term.weight > 0} == set(everything) - missing
        total(terms).backward()
        unused = [name for name, p in model.readout.named_parameters() if p.grad is None]
        assert not unused


def test_losses_can_be_switched_off(ubiquitin, monkeypatch):
    def refuse(*_):
        raise AssertionError("accessibility is computed only where it is asked for")

    monkeypatch.setattr(smpc, "relative_accessibility", refuse)
    objective = Smpc(SmpcConfig(accessibility=0, torsion=0, position=0, pair_distance=0))
    view = objective.view([ubiquitin], np.random.default_rng(0))
    assert set(objective.heads) == set(view.targets) == {"residue_type"}
    terms = objective.loss(answer(network(objective), view), view)
    assert {name for name, term in terms.items() if term.weight} == {"residue_type"}
    with pytest.raises(AssertionError):
        view_of([ubiquitin])


def test_visible_residues_are_reported_and_not_trained(ubiquitin):
    for share in (0.0, 0.5):
        objective = Smpc(SmpcConfig(visible=share))
        view = view_of([ubiquitin])
        terms = objective.loss(answer(network(objective), view), view)
        assert terms["torsion_visible"].weight == share
        assert terms["torsion_visible"].count > terms["torsion"].count > 0


@pytest.mark.parametrize("order", [1, -1])
def test_it_adds_up_with_masked_lm(ubiquitin, order):
    """Whichever comes first: the other may take atoms away that were asked."""
    first, second = [Smpc(), 0.5 * MaskedLM()][::order]
    both = first + second
    view = both.view([ubiquitin], np.random.default_rng(0))
    terms = both.loss(answer(network(both), view), view)
    assert all(torch.isfinite(term.value) for term in terms.values())
    assert terms["position"].count > 0


def test_sliced_areas():
    """A lone atom, two that touch (a sphere less a cap), and one inside a larger."""
    base = Protein.from_backbone("A", np.full((1, 4, 3), np.nan))

    def areas(names, positions):
        count = len(names)
        return sliced_area(
            base.replace(
                atom_name=np.array(names), element=np.array(names), position=np.array(positions, float),
                residue_of=np.zeros(count, int),
            )
        )  # fmt: skip

    assert np.allclose(areas(["C"], [[0, 0, 0]]), 4 * np.pi * 3.1**2)
    apart = 2.0
    for axis in np.eye(3):
        cap = 2 * np.pi * 3.1 * (3.1 - apart / 2)
        # 20 slices: within 2 % of the exact area whichever way they are cut
        assert np.allclose(areas(["C", "C"], [[0, 0, 0], axis * apart]), 4 * np.pi * 3.1**2 - cap, rtol=0.02)
    assert areas(["O", "S"], [[0, 0, 0], [0.1, 0, 0]])[0] == 0


def test_a_few_steps_teach(ubiquitin, antibody):
    """Gradients point the right way through encoder and heads: the same view is learnt."""
    objective = Smpc(SmpcConfig(accessibility=0))
    view = objective.view([ubiquitin], np.random.default_rng(0))
    model = network(objective, residue_only=True)
    batch = model.encoder.prepare(view.proteins, masked=view.masked)
    values = []
    for _ in range(12):
        terms = objective.loss(model(batch), view)
        model.zero_grad()
        total(terms).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.01 * parameter.grad.sign()
        values.append({name: term.value.item() for name, term in terms.items()})
    for name in ("residue_type", "torsion"):
        assert values[-1][name] < 0.9 * values[0][name]


def test_a_bad_rate_is_refused():
    with pytest.raises(InputError, match="rate"):
        Smpc(SmpcConfig(rate=1.5))
