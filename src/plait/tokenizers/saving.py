"""A tokenizer's folder: `config.json` names the tokenizer and holds its configuration; weights stand beside it."""

import json
import os
import tempfile
from pathlib import Path

from plait.config import from_dict, to_dict
from plait.data.base import short_digest
from plait.errors import InputError
from plait.registry import get
from plait.tokenizers.base import Tokenizer


def save_config(tokenizer: Tokenizer, folder) -> None:
    """Write `config.json` of a tokenizer that has a `config`; the folder is made if need be."""
    folder = Path(folder)
    record = {"tokenizer": tokenizer.name, "config": to_dict(tokenizer.config)}
    beside = folder / ".config.json.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        os.replace(beside, folder / "config.json")
    except OSError as error:
        raise InputError("the folder cannot be written", file=folder, got=error.strerror) from None


def load_config(cls: type[Tokenizer], folder):
    """The `Config` of the tokenizer `cls` from its folder.

    Raises
    ------
    InputError
        If `config.json` cannot be read, is another tokenizer's, or has unknown keys.
    """
    record = _read(folder)
    if record["tokenizer"] != cls.name:
        raise InputError(
            "the folder of another tokenizer", file=folder, got=repr(record["tokenizer"]), expected=repr(cls.name)
        )
    return from_dict(cls.Config, record.get("config", {}), file=Path(folder) / "config.json", place="config")


def load_tokenizer(tokenizer) -> Tokenizer:
    """The tokenizer of a registered name, or in a folder that `save` wrote. A tokenizer is returned as it is.

    Raises
    ------
    InputError
        If there is no such tokenizer.
    """
    if isinstance(tokenizer, Tokenizer):
        return tokenizer
    path = Path(tokenizer)
    if path.is_dir():
        return get("tokenizer", _read(path)["tokenizer"]).load(path)
    if path.suffix or len(path.parts) > 1:
        raise InputError("no such tokenizer folder", file=tokenizer)
    return get("tokenizer", str(tokenizer)).default()


def digest(tokenizer: Tokenizer) -> str:
    """SHA-256 over all that `save` writes, its first 16 hexadecimal digits."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(folder)
        files = sorted(file for file in Path(folder).rglob("*") if file.is_file())
        return short_digest(*(file.read_bytes() for file in files))


def _read(folder) -> dict:
    file = Path(folder) / "config.json"
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        record["tokenizer"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError("not a tokenizer's folder", file=file, expected='a config.json with "tokenizer"') from None
    return record
