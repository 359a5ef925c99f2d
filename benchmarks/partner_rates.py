"""Share of residues that touch each kind of partner, in training proteins that bind one: `Scoring.site_rates`.

    python benchmarks/partner_rates.py --data ../shared/data

Of the set that recipes/partners.yaml trains on. Prints a row for each column, in the order of the head; plait-braid's
model.json holds them (docs/decisions/0012-conservation-and-forms.md).
"""

import argparse
from pathlib import Path

import numpy as np
import yaml

from plait.config import from_dict
from plait.data.partners import KINDS, Partners, PartnersConfig


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    recipe = yaml.safe_load(Path("recipes/partners.yaml").read_text())["data"]
    places = {"folder": "labels", "corpus": "corpus", "complexes": "complexes"}
    known = {**recipe, **{field: str(options.data / name) for field, name in places.items()}}
    known.pop("name")
    chains = Partners(from_dict(PartnersConfig, known))
    labels = [chains[index].labels["binding_site"] for index in range(len(chains))]
    positive, asked = (sum(count) for count in zip(*((np.nansum(one, 0), np.isfinite(one).sum(0)) for one in labels)))
    for kind, touching, residues in zip(KINDS, positive, asked, strict=True):
        print(f"{kind:15s} {touching / residues:.4f} of {residues:,} residues")


if __name__ == "__main__":
    main()
