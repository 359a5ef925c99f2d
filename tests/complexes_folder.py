"""A small folder of complexes: some entries of the real one, whose shards it links to."""

from pathlib import Path

import pandas as pd


def write_complexes(folder: Path, shared: Path, entries=None) -> Path:
    """The real folder's index cut down to some entries of the split test, by default every fortieth."""
    source = shared / "data" / "complexes"
    folder.mkdir()
    index = pd.read_parquet(source / "index.parquet")
    test = index[(index["split"] == "test") & (index["n_res"] < 350)]
    chosen = test.iloc[::40] if entries is None else test[test["id"].isin(entries)]
    chosen.to_parquet(folder / "index.parquet")
    for name in ("vocab.json", *chosen["shard"].unique()):
        (folder / name).symlink_to(source / name)
    return folder
