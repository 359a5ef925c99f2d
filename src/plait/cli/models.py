"""`plait models`: what models there are, and weights of others turned into safetensors."""

import dataclasses
import sys
import types

from plait.config import option

SUMMARY = "list models that are here (models list), or take published weights over (models convert)"
ORDER = 40


@dataclasses.dataclass(frozen=True)
class Config:
    json: bool = option(False, "print JSON instead of a table")


def run(config: Config) -> int:
    from plait.models.catalogue import models

    records = models()
    if config.json:
        import json

        print(json.dumps(records, indent=1))
    elif sys.stdout.isatty():
        _table(records)
    else:
        print("\t".join(COLUMNS))
        for record in records:
            print("\t".join(_plain(record[name]) for name in COLUMNS))
    if not records:
        print("no model is bundled or cached here", file=sys.stderr)
    return 0


COLUMNS = ("name", "kind", "bytes", "parameters", "members", "trained_on", "licence", "where")


def _plain(value) -> str:
    return "" if value is None else ",".join(value) if isinstance(value, list) else str(value)


def _table(records: list[dict]) -> None:
    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table
    from rich.text import Text

    table = Table("model", "", "size", "parameters", "trained on", "licence", "where", box=None, padding=(0, 2, 0, 0))
    for record in records:
        name = record["name"] + (" (default)" if record.get("default") else "")
        cells = (
            name,
            record["kind"],
            decimal(record["bytes"]) + _together(record["members"]),
            "" if record["parameters"] is None else f"{record['parameters']:,}",
            record["trained_on"],
            record["licence"],
            record["where"],
        )
        table.add_row(*(Text(str(cell), overflow="fold") for cell in cells))
    Console().print(table)


def _together(members: list[str]) -> str:
    return f" ({len(members)} members together: {', '.join(members)})" if members else ""


@dataclasses.dataclass(frozen=True)
class ConvertConfig:
    encoder: str | None = option(None, "the published structure encoder: AE.pt, or its tensors as .safetensors")
    codebook: str | None = option(None, "the published codebook: 2048.joblib, or its centres as .npy")
    language_model: str | None = option(
        None, "instead of the two: a folder with config.json and pytorch_model.bin of a ProSST language model"
    )
    out: str | None = option(None, "the folder to make")


def run_convert(config: ConvertConfig) -> int:
    from plait.errors import InputError
    from plait.models.convert import convert_language_model, convert_tokenizer

    if config.out is None:
        raise InputError("no folder to write to", expected="--out FOLDER")
    if config.language_model is not None:
        if config.encoder is not None or config.codebook is not None:
            raise InputError("one at a time: --language-model, or --encoder with --codebook")
        print(convert_language_model(config.language_model, config.out))
        return 0
    if config.encoder is None or config.codebook is None:
        raise InputError(
            "nothing to convert",
            got="--encoder without --codebook" if config.encoder else "--codebook alone" if config.codebook else None,
            expected="--encoder AE.pt --codebook 2048.joblib, or --language-model FOLDER",
        )
    print(convert_tokenizer(config.encoder, config.codebook, config.out))
    return 0


ACTIONS = {
    "list": types.SimpleNamespace(SUMMARY="list models that are here", Config=Config, run=run),
    "convert": types.SimpleNamespace(
        SUMMARY="take the numbers out of published weights, which are pickles, and write safetensors",
        Config=ConvertConfig,
        run=run_convert,
    ),
}
