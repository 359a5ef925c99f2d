"""`plait tokens`: structure tokens of one file or of many."""

import dataclasses
import sys

from plait.config import option

SUMMARY = "turn structures into tokens, one integer per residue"
ORDER = 30


@dataclasses.dataclass(frozen=True)
class Config:
    files: tuple[str, ...] = option((), "structure files, or folders that are searched for such", positional=True)
    tokenizer: str = option("gvp-chain", "a tokenizer (gvp-chain, 3di, dssp, ...), or the folder of one")
    chain: str | None = option(None, "only this chain, by author (or else label) identifier")
    out: str = option("tokens.parquet", "where to: .parquet, .fasta (letters, or integers) or .csv")
    workers: int = option(1, "processes that share the files, with one thread each")


def run(config: Config) -> int:
    from plait.cli.main import tracked
    from plait.models.loading import load_tokenizer
    from plait.structure.files import structure_files
    from plait.tokenizers.token_files import check_output, write_tokens
    from plait.tokenizers.tokens import tokenise_files

    failures = []

    def report(error):
        failures.append(error)
        print(f"plait: {error}", file=sys.stderr)

    out = check_output(config.out)
    files = structure_files(config.files)
    tokenizer = load_tokenizer(config.tokenizer)
    records = tokenise_files(
        files,
        tokenizer,
        config.chain,
        report=report,
        workers=min(config.workers, len(files)),
        progress=lambda done: tracked("structure tokens")(done, total=len(files)),
    )
    count = write_tokens(records, out, tokenizer)
    if count:
        chains = "1 chain" if count == 1 else f"{count} chains"
        left_out = f"; {len(failures)} of {len(files)} files left out, see above" if failures else ""
        print(f"{out}: {chains}, tokenizer {tokenizer.name} with {tokenizer.size} states{left_out}")
    return max((error.exit_code for error in failures), default=0)
