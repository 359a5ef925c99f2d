"""`plait embed`: vectors of residues, atoms or chains of one structure or of many, in one file."""

import dataclasses
from pathlib import Path
from typing import Literal

from plait.cli.many import Each, unique_stems, work_through
from plait.config import option

SUMMARY = "turn structures into vectors of residues, atoms or chains"
DESCRIPTION = (
    "Write the vectors that a model's encoder gives of residues, atoms or whole chains into one file, in the order of "
    "the structures. The same line run again goes on where it was stopped, and does nothing twice."
)
ORDER = 25


@dataclasses.dataclass(frozen=True)
class Config:
    """What to embed, with what, and where to write."""

    structures: tuple[str, ...] = option(
        (), "structure files (PDB, mmCIF, BinaryCIF, also .gz) or folders of them", positional=True
    )
    model: str | None = option(
        None,
        "bundled model, folder or hub id owner/name; plait-geometry if not given. Of an ensemble the vectors of its "
        "members stand side by side",
    )
    level: Literal["residue", "atom", "protein"] = option(
        "residue", "what gets a vector: residue, atom (for encoders that see atoms) or protein (one for each chain)"
    )
    out: str = option("embeddings.parquet", "where to: .parquet or .safetensors")
    chain: str | None = option(None, "only this chain, by author (or else label) identifier")
    together: bool = option(False, "chains see one another; else each by itself")
    structure_model: int = option(1, "which model of a file that has several, from 1")
    half: bool = option(False, "write float16 in place of float32")
    tokenizer: str | None = option(None, "folder of the structure tokenizer, for models published without one")
    embeddings: str | None = option(
        None, "precomputed embeddings, a file or a folder by structure, for a model whose encoder reads such"
    )
    workers: int = option(1, "processes that share the structures, with one thread and a model each")


def run(config: Config) -> int:
    """Embed each structure; returns the exit code. A broken structure is reported and the rest goes on."""
    from plait.models.embedding_files import ENDINGS, EmbeddingFile, Entry
    from plait.structure.files import structure_files
    from plait.tokenizers.token_files import check_output

    files = structure_files(config.structures)
    out = check_output(config.out, ENDINGS)
    each = _Embedding(config)
    each.loaded = each.load()
    file = EmbeddingFile(out, settings_of(config, each.loaded))
    digests = [_digest(path) for path in files]
    jobs = [(path, None if digest and file.has(digest) else file.part(digest)) for path, digest in zip(files, digests)]
    failed, there, code = work_through(each, jobs, config.workers, doing="embedding", tell=lambda *_: None)
    left_out = set(failed)
    named = zip(unique_stems(files), files, digests, strict=True)
    entries = [Entry(name, str(path), digest) for name, path, digest in named if path not in left_out]
    if entries:
        file.finish(entries)
        count = "1 structure" if len(entries) == 1 else f"{len(entries)} structures"
        what = f"{config.level} vectors of {each.loaded.width} values, by {each.loaded.model.name}"
        print(f"{out}: {count}, {there} already there, {len(failed)} failed; {what}")
    if failed and len(files) > 1:
        print("failed: " + ", ".join(map(str, failed)))
    return code


class _Embedding(Each):
    """Embeds one structure of many into its part of the file, None where that is there; `loaded` is the `Embedder`."""

    def load(self):
        from plait.models.embedding import DEFAULT, Embedder
        from plait.models.loading import load

        config = self.config
        model = load(config.model or DEFAULT, tokenizer=config.tokenizer, embeddings=config.embeddings)
        return Embedder(model, self.config.level, self.config.together)

    def is_done(self, file: Path, out: Path | None) -> bool:
        return out is None

    def work(self, file: Path, out: Path) -> str:
        from plait.models.embedding_parts import write_part
        from plait.structure.reading import read_structure

        protein = read_structure(file, chain=self.config.chain, model=self.config.structure_model)
        chains = self.loaded(protein)
        write_part([one.halved(file) for one in chains] if self.config.half else chains, out)
        return "embedded"


def settings_of(config: Config, embedder) -> dict:
    """What the vectors depend on beside the structures."""
    import json

    import plait
    from plait.config import to_dict
    from plait.data.base import short_digest
    from plait.models.networks import encoder_of
    from plait.tokenizers.saving import digest

    encoders = [to_dict(encoder_of(one.network).config) for one in embedder.networks]
    tokenizers = [digest(one.tokenizer) for one in embedder.networks if one.tokenizer is not None]
    return {
        "plait": plait.__version__,
        "model": embedder.model.name,
        "digest": embedder.model.digest,
        "encoders": short_digest(json.dumps(encoders, sort_keys=True).encode()),
        "tokenizers": tokenizers,
        "widths": embedder.widths,
        **{name: getattr(config, name) for name in ("level", "chain", "together", "structure_model", "half")},
    }


def _digest(file: Path) -> str:
    """SHA-256 of the file's content; empty where it cannot be read, of which reading it will complain."""
    from plait.data.digests import file_digest

    try:
        return file_digest(file)["sha256"]
    except OSError:
        return ""
