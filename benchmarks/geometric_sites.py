"""Settings of the geometric baseline of binding sites, tried on the split valid of the complexes.

    python benchmarks/geometric_sites.py --data ../shared/data/complexes

Prints, for settings around those of `plait.tasks.binding_sites.geometric`, mean AUROC and AUPRC over proteins, and the
value of highest mean IoU, which is its `HALF`. About a minute.
"""

import argparse
import itertools

import numpy as np

from plait.data.complexes import Complexes, ComplexesConfig
from plait.tasks.binding_sites.geometric import HALF, GeometricSites
from plait.tasks.site_metrics import auroc, average_precision, best_threshold


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/complexes")
    data = parser.parse_args().data
    valid = Complexes(ComplexesConfig(folder=data, split="valid", exclude="nothing", copies="drop"))
    examples = [valid[index] for index in range(len(valid))]
    true = [example.labels["binding_site"] for example in examples]
    print(f"{len(examples)} proteins\nleast  clearance  reach  AUROC  AUPRC  value of best IoU    IoU")
    for least, clearance, reach in itertools.product((4, 5), (3.0, 3.3), (9.0, 12.0)):
        baseline = GeometricSites(least=least, clearance=clearance, reach=reach)
        found = [baseline.find_sites(example.protein)[0].astype(np.float64) for example in examples]
        values = [HALF * one / (1 - one) for one in found]
        areas = [np.nanmean([metric(*pair) for pair in zip(values, true)]) for metric in (auroc, average_precision)]
        value, reached = best_threshold(values, true)
        print(
            f"{least:5d}  {clearance:9.1f}  {reach:5.0f}  {areas[0]:.3f}  {areas[1]:.3f}  {value:17.2f}  {reached:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
