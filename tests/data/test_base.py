"""An example of any data set."""

import numpy as np

from plait.data.base import Example
from plait.structure import read_structure


def test_a_crop_keeps_what_is_known_of_the_whole_protein(structures):
    protein = read_structure(structures / "1ubi.pdb")
    example = Example("a", protein, {"site": np.arange(76)}, 3, {"fold": np.array(5), "ec": np.eye(4)[1]})
    part = example.crop(10, 20)
    assert part.protein.sequence == protein.sequence[10:30]
    assert part.labels["site"].tolist() == list(range(10, 30))
    assert part.protein_labels["fold"] == 5
    assert part.protein_labels["ec"].tolist() == [0, 1, 0, 0]
    assert (part.id, part.cluster) == ("a", 3)
