"""Promises of every registered task: an answer for every residue or the reason why not, in both numberings."""

import numpy as np
import pandas
import pytest

from plait.errors import InputError
from plait.registry import get, parts
from plait.structure.vocabulary import UNKNOWN

TASKS = sorted(parts("task"))


class Model:
    """A model whose answers follow from a chain's own residues and coordinates alone."""

    name, digest, card = "from the chain", "0", {}

    def score_matrix(self, protein, masked=None):
        shape = np.nan_to_num(np.linalg.norm(protein.c_alpha - np.nanmean(protein.c_alpha, axis=0), axis=1))
        return (np.cos(np.outer(shape, np.arange(1, UNKNOWN + 1))) - protein.residue_type[:, None] / 10).astype(
            np.float32
        )

    def describe_score(self):
        return "Higher is better."


def answers(table: pandas.DataFrame) -> pandas.DataFrame:
    keys = ["chain", "author_number", "mutated"]
    return table.sort_values(keys, kind="stable").reset_index(drop=True)


@pytest.mark.parametrize("name", TASKS)
def test_every_residue_is_answered_for_or_said_why_not(name, proteins):
    for what, protein in proteins.items():
        try:
            result = get("task", name)()(Model(), protein)
        except InputError as error:
            assert not protein.has_backbone.any(), what
            assert "backbone" in str(error)
            continue
        answered = set(zip(result.table["chain"], result.table["sequence_position"]))
        said = " ".join(map(str, result.remarks))
        for index in range(len(protein)):
            place = (protein.chain[index], protein.sequence_index[index] + 1)
            assert place in answered or protein.residue_label(index) in said, (what, place)


@pytest.mark.parametrize("name", TASKS)
def test_author_numbers_and_sequence_positions_are_of_the_same_residue(name, proteins):
    for protein in (proteins["gapped"], proteins["two chains"]):
        table = get("task", name)()(Model(), protein).table
        label = {
            (protein.chain[index], protein.sequence_index[index] + 1): protein.residue_label(index)
            for index in range(len(protein))
        }
        assert [label[place] for place in zip(table["chain"], table["sequence_position"])] == table[
            "author_number"
        ].tolist()


@pytest.mark.parametrize("name", TASKS)
def test_the_same_alone_as_beside_another_chain(name, two_chains):
    task = get("task", name)()
    together = answers(task(Model(), two_chains).table)
    alone = [task(Model(), two_chains.select_chain(chain)).table for chain in two_chains.chains]
    pandas.testing.assert_frame_equal(together, answers(pandas.concat(alone)), check_exact=True)
