"""What the training of recipes/partners.yaml leaves out: the list recipes/partners_left_out.txt.

    python benchmarks/near_partner_tests.py --data ../shared/data

The complexes' own flags keep them apart from their test split, and clusters of the corpus keep chains apart from
official test chains. Two relations are seen by neither: complexes that are similar to official test chains of ATP and
haem, and labelled chains that are similar to test complexes. Similar is as in benchmarks/near_scans.py; of a cluster of
complexes with one such entry all are left out. Complexes near targets of scans (recipes/complexes_near_scans.txt) are
in the list too.
"""

import argparse
from pathlib import Path

import pandas
from near_scans import is_near, words

SMALL_MOLECULES = ("ATP", "HEM")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--scans", type=Path, default=Path("recipes/complexes_near_scans.txt"))
    parser.add_argument("--out", type=Path, default=Path("recipes/partners_left_out.txt"))
    options = parser.parse_args()
    labels = pandas.read_parquet(options.data / "labels" / "residue_index.parquet")
    corpus = pandas.read_parquet(options.data / "corpus" / "index.parquet", columns=["id", "sequence"])
    sequence = corpus.set_index("id")["sequence"]
    entries = pandas.read_parquet(options.data / "complexes" / "index.parquet")
    tested = labels["ligand"].isin(SMALL_MOLECULES) & (labels["official_split"] == "test")
    trained = entries[entries["split"].isin(["train", "valid"])]
    near = trained["sequence"].map(similar_to(sequence[labels["corpus_id"][tested].unique()]))
    left_out = trained["id"][trained["cluster"].isin(trained["cluster"][near])]
    print(f"{near.sum()} complexes near official test chains, {len(left_out)} with their clusters")
    test_chains = [chain for row in entries["sequence"][entries["split"] == "test"] for chain in row.split("/")]
    chains = labels[~labels["official_split"].fillna("").str.startswith("test")]["corpus_id"].drop_duplicates()
    near_chains = chains[sequence[chains].map(similar_to(dict.fromkeys(test_chains))).to_numpy()]
    print(f"{len(near_chains)} of {len(chains)} labelled chains near test complexes")
    names = {*left_out, *near_chains, *options.scans.read_text().split()}
    options.out.write_text("".join(f"{name}\n" for name in sorted(names)))


def similar_to(targets):
    """A function: chains joined by "/" -> whether one of them is near one of the targets."""
    known: dict[str, bool] = {}
    prepared = [(text, words(text)) for text in targets]
    return lambda row: any(is_near(chain, prepared, known) for chain in row.split("/"))


if __name__ == "__main__":
    main()
