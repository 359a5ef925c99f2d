"""`plait sites`: from structure files to the residues and pockets that bind small molecules."""

import dataclasses
from pathlib import Path

from plait.cli.many import Each, asked_for, run_many, working
from plait.config import option

SUMMARY = "find the binding sites of a protein structure"
DESCRIPTION = (
    "Find the residues of a protein structure that bind small molecules, with a probability for each, and rank the "
    "pockets that they make. Ligands in the file are not looked at. Writes sites.csv, pockets.csv, report.html, "
    "structure.cif (probability in the B-factor column) and run.json."
)
ORDER = 15


@dataclasses.dataclass(frozen=True)
class Config:
    """Where to look, with what, and where to write."""

    structures: tuple[str, ...] = option(
        (), "structure files (PDB, mmCIF, BinaryCIF, also .gz) or folders of them", positional=True
    )
    chain: str | None = option(
        None, "chain to look at, by author or label identifier; every protein chain if not given"
    )
    model: str | None = option(
        None,
        "bundled model, folder or hub id owner/name, with a head for binding sites, or geometry (cavities, nothing "
        "learned); the bundled one if not given",
    )
    partner: str | None = option(
        None,
        "what is bound: small-molecule, atp, haem, calcium, magnesium, manganese, zinc, metal (any of the four), dna, "
        "rna, nucleic-acid, peptide or protein, for a model that tells them; without --model the bundled one that does",
    )
    together: bool = option(True, "chains see one another, as sites between chains need; else each by itself")
    structure_model: int = option(1, "which model of a file that has several, from 1")
    atoms: bool = option(False, "answer for atoms too: atoms.csv, for a model with a head for them")
    embeddings: str | None = option(
        None, "precomputed embeddings, a file or a folder by structure, for a --model whose encoder reads such"
    )
    out: str | None = option(
        None, "output folder; plait-NAME if not given. Several structures: a folder in it for each"
    )
    into: str | None = option(
        None, "instead of --out: a folder that gets a folder for each structure, also for only one"
    )
    workers: int = option(1, "processes that share the structures, with one thread and a model each")


def run(config: Config) -> int:
    """Find the sites of each structure; returns the exit code. In a batch a broken structure is reported and the rest
    goes on."""
    files, outs, many = asked_for(config, "sites", "plait-sites")
    if many:
        return run_many(_Finding(config), files, outs, config.workers, doing="finding sites", done="searched")
    with working(f"finding sites of {files[0].name}"):
        result = _find_one(files[0], outs[0], config, _model(config))
    _tell(result, outs[0])
    return 0


def _model(config: Config):
    """The model, or its name where nothing is given to it."""
    if config.embeddings is None:
        return config.model
    from plait.models.loading import load

    return load(config.model, embeddings=config.embeddings)


def _find_one(file: Path, out: Path, config: Config, model):
    from plait.reports.folder import check_folder
    from plait.reports.sites import write_sites
    from plait.tasks.binding_sites import sites

    check_folder(out)
    result = sites(file, model=model, **_arguments(config))
    write_sites(result, out)
    return result


class _Finding(Each):
    """Finds the sites of one structure of many; `loaded` is the model."""

    def load(self):
        from plait.tasks.binding_sites.predicting import load_site_model

        return load_site_model(_model(self.config), self.config.partner)

    def is_done(self, file: Path, out: Path) -> bool:
        from plait import __version__
        from plait.data.digests import file_digest
        from plait.reports.folder import RECORD
        from plait.reports.run_record import finished
        from plait.reports.sites import ATOM_FILE, SITE_FILES

        if not (out / RECORD).is_file() or not file.is_file():
            return False
        expected = {
            "command": "plait sites",
            "input.structure.sha256": file_digest(file)["sha256"],
            "versions.plait": __version__,
            "model.name": self.loaded.name,
            "model.digest": self.loaded.digest,
            **{f"arguments.{name}": value for name, value in _arguments(self.config).items()},
        }
        return finished(out, expected, (*SITE_FILES, *((ATOM_FILE,) if self.config.atoms else ())))

    def work(self, file: Path, out: Path) -> str:
        return _headline(_find_one(file, out, self.config, self.loaded))


def _arguments(config: Config) -> dict:
    return {name: getattr(config, name) for name in ("chain", "together", "structure_model", "atoms", "partner")}


def _headline(result) -> str:
    protein, pockets = result.protein, len(result.pockets)
    bind = f"bind {result.partner.in_words}" if result.partner.name else "bind"
    chains = ", ".join(f"{name or '(blank)'} {count}" for name, count in protein.chain_lengths.items())
    return (
        f"{protein.source}: residues {chains}; {int(result.predicted.sum())} predicted to {bind}, "
        f"{pockets} pocket{'' if pockets == 1 else 's'}, with {result.model.name}"
    )


def _tell(result, out: Path) -> None:
    print(_headline(result))
    for row in result.pocket_table.head(5).itertuples():
        residues = row.residues.split()
        more = f" and {len(residues) - 8} more" if len(residues) > 8 else ""
        centre = f"({row.center_x:.1f}, {row.center_y:.1f}, {row.center_z:.1f})"
        likely = "" if row.probability != row.probability else f", holds a ligand {row.probability:.2f}"
        print(f"  pocket {row.rank}  score {row.score:.1f}{likely}, centre {centre}: {' '.join(residues[:8])}{more}")
    if len(result.pockets) > 5:
        print(f"  {len(result.pockets) - 5} more pockets in the table")
    for remark in result.remarks[:4]:
        text = str(remark)
        print(f"  note   {text if len(text) <= 160 else text[:157] + '...'}")
    if len(result.remarks) > 4:
        print(f"  note   {len(result.remarks) - 4} more in run.json and on the page")
    print(f"tables:  {out / 'sites.csv'}, {out / 'pockets.csv'}")
    print(f"page:    {out / 'report.html'}")
