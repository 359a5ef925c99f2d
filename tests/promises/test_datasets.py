"""What every registered data set promises (architecture, rule 2)."""

import dataclasses
import shutil

import numpy as np
import pytest

from plait import registry
from plait.errors import InputError

DATASETS = registry.parts("dataset")
SPLITS = ("train", "valid", "test")
pytestmark = pytest.mark.parametrize("name", DATASETS)


@pytest.fixture
def opened(name, shared):
    """A function: the set of a split, from the shared data or another folder."""
    cls = DATASETS[name]
    default = cls.Config()
    folders = {
        field: shared / value.removeprefix("../shared/")
        for field, value in dataclasses.asdict(default).items()
        if str(value).startswith("../shared/")
    }
    place = folders.pop("folder", shared / default.folder)
    if not all(one.is_dir() for one in (place, *folders.values())):
        pytest.skip(f"no data of {name} at {place}")
    others = {field: str(value) for field, value in folders.items()}

    def make(split="valid", folder=place, **options):
        return cls(dataclasses.replace(default, folder=str(folder), split=split, **others, **options))

    make.folder = place
    return make


def test_splits_share_no_cluster(name, opened):
    clusters = {split: set(opened(split).clusters.tolist()) for split in SPLITS}
    for first in SPLITS:
        assert clusters[first]
        for second in SPLITS:
            if first != second:
                assert not clusters[first] & clusters[second]


def test_random_access_gives_the_same_example(name, opened):
    forwards, backwards = opened(), opened()
    indices = np.random.default_rng(0).integers(0, len(forwards), 8)
    examples = {int(i): forwards[int(i)] for i in indices}
    for i in sorted(examples, reverse=True):
        again = backwards[i]
        assert again.id == examples[i].id
        assert np.array_equal(again.protein.position, examples[i].protein.position, equal_nan=True)
        assert len(again.protein) == forwards.lengths[i]
        for label, value in again.labels.items():
            assert np.array_equal(value, examples[i].labels[label], equal_nan=True), label


def test_digest_tells_contents_apart(name, opened):
    assert opened().digest == opened().digest
    assert opened("valid").digest != opened("test").digest


def test_a_broken_file_is_named(name, opened, tmp_path):
    folder = tmp_path / "set"
    shutil.copytree(opened.folder, folder, copy_function=lambda s, d: shutil.copyfile(s, d))
    for shard in folder.glob("*.npz"):
        shard.write_bytes(shard.read_bytes()[:1000])
    broken = opened(folder=folder)
    with pytest.raises(InputError, match=r"\.npz"):
        broken[0]
