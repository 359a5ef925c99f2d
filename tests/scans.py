"""A small folder of mutational scans, made of ubiquitin: two assays of its first structure, one of a second."""

import gzip
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
UBIQUITIN = ROOT / "examples" / "1ubi.pdb"
SEQUENCE = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"
COLUMNS = "DMS_id,UniProt_ID,coarse_selection_type,structure,target_seq"


def write_scans(folder: Path, published: bool = True) -> Path:
    """Assays growth and yield (one structure) and fold (another), with invented measurements and published values."""
    (folder / "assays").mkdir(parents=True)
    (folder / "structures").mkdir()
    (folder / "structures" / "ubiquitin.pdb").write_bytes(UBIQUITIN.read_bytes())
    (folder / "structures" / "twin.pdb.gz").write_bytes(gzip.compress(UBIQUITIN.read_bytes()))
    rows = [
        f"growth,UBI,OrganismalFitness,ubiquitin.pdb,{SEQUENCE}",
        f"yield,UBI,Expression,ubiquitin.pdb,{SEQUENCE}",
        f"fold,TWIN,Expression,twin.pdb.gz,{SEQUENCE}",
    ]
    (folder / "reference.csv").write_text("\n".join([COLUMNS, *rows]) + "\n")
    generator = np.random.default_rng(0)
    for number, name in enumerate(("growth", "yield", "fold")):
        positions = range(1 + number, 60, 2)
        mutants = [f"{SEQUENCE[p - 1]}{p}{'A' if SEQUENCE[p - 1] != 'A' else 'G'}" for p in positions]
        lines = [f"{mutant},{value:.3f}" for mutant, value in zip(mutants, generator.normal(size=len(mutants)))]
        (folder / "assays" / f"{name}.csv").write_text("mutant,DMS_score\n" + "\n".join(lines) + "\n")
    if published:
        (folder / "published_spearman.csv").write_text(
            "DMS_id,Great|one,Poor\ngrowth,0.7,0.1\nyield,0.6,\nfold,0.8,0.2\n"
        )
    return folder
