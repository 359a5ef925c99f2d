"""From a name, a folder or a hub id to a `Model`; and from a `Model` to a folder."""

import json
import re
import sys
from pathlib import Path

from plait.config import from_dict, to_dict
from plait.data.base import short_digest
from plait.errors import InputError, closest
from plait.models.catalogue import DEFAULT, bundled, member_folder
from plait.models.ensemble import Ensemble
from plait.models.model import Model
from plait.models.pickles import is_pickle, refusal
from plait.models.scoring import Scoring

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
PICKLES = {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib"}


def load(name=None, *, tokenizer=None, embeddings=None) -> Model:
    """The model of a name, folder or hub id.

    Parameters
    ----------
    name : str, path, Model or None
        A bundled model's name (`plait models` lists them; the default if None), a folder of plait's or of the published
        ProSST layout, or a hub id "owner/name", which is downloaded once and then kept by huggingface_hub. A Model is
        returned as it is.
    tokenizer : str, path or Tokenizer, optional
        A registered name or the folder of a structure tokenizer, for folders of the published layout, which have none.
    embeddings : path, optional
        Precomputed embeddings, for a model whose encoder reads such (`plait.models.embedding_arrays.FileEmbeddings`
        says which files).

    Raises
    ------
    InputError
        If there is no such model, or what is there is no model.
    """
    if isinstance(name, Model):
        return name
    name = DEFAULT if name is None else str(name)
    path = Path(name)
    if name in bundled():
        return _read(bundled()[name], name, tokenizer, embeddings)
    if path.is_dir():
        return _read(path, path.name, tokenizer, embeddings)
    if path.suffix.lower() in PICKLES:
        raise InputError(
            "checkpoints that are pickles can run code and are not read" if path.exists() else "no such file",
            file=name,
            expected="a folder with config.json and model.safetensors",
            do="plait models convert makes one.",
        )
    if path.is_file():
        raise InputError("a file, where a model is a folder", file=name, expected="config.json and model.safetensors")
    if HUB_ID.fullmatch(name):
        return _read(_download(name), name, tokenizer, embeddings)
    near = closest(name, bundled())
    raise InputError(
        "unknown model",
        got=repr(name),
        expected="a bundled model (" + ", ".join(bundled()) + "), a folder, or a hub id owner/name",
        do=f"Did you mean {near!r}?" if near else None,
    )


def save(model: Model, folder) -> None:
    """Write a model's folder: model.json, config.json, model.safetensors and the tokenizer beside them."""
    from plait.models.networks import save_network

    folder = Path(folder)
    record = {"format": 1, "name": model.name, "scoring": to_dict(model.scoring), "card": model.card}
    if isinstance(model, Ensemble):
        record["members"] = [member.name for member in model.members]
        record["weights"] = list(model.weights)
        for member in model.members:
            save(member, folder / member.name)
    else:
        save_network(model.network, folder)
        if model.tokenizer is not None:
            model.tokenizer.save(folder / "tokenizer")
        if model.embeddings is not None:
            record["embeddings"] = model.embeddings.record
            if model.embeddings.own:
                save(model.embeddings.model, folder / model.embeddings.model.name)
    part = folder / ".model.json.part"
    part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    part.replace(folder / "model.json")


def _read(folder: Path, name: str, tokenizer, embeddings=None) -> Model:
    from plait.models.embedding_sources import source_of
    from plait.models.networks import language_width, read_network, structure_of

    record = _record(folder)
    scoring = from_dict(Scoring, record.get("scoring", {}), file=folder / "model.json", place="scoring")
    if record.get("members"):
        if embeddings is not None:
            raise InputError("an ensemble reads no embeddings", file=name, do="Leave out --embeddings.")
        members = [_read(_member(folder, str(one)), str(one), tokenizer) for one in record["members"]]
        card, weights = record.get("card", {}), record.get("weights")
        return Ensemble(record.get("name", name), members, scoring, card, weights)
    weights = folder / "model.safetensors"
    network = read_network(folder)
    structure = structure_of(network)
    if tokenizer is not None:
        tokenizer = load_tokenizer(tokenizer)
    elif (folder / "tokenizer").is_dir():
        tokenizer = load_tokenizer(folder / "tokenizer")
    elif structure is not None and structure.tokenizer not in ("random", "gvp", "gvp-chain"):
        tokenizer = load_tokenizer(structure.tokenizer)
    if tokenizer is not None and structure is not None and tokenizer.size != structure.structure_states:
        raise InputError(
            "the tokenizer is not the model's",
            file=name,
            got=f"{tokenizer.size} states",
            expected=f"{structure.structure_states} states",
            do="Give the tokenizer that the model was trained with.",
        )
    card = record.get("card") or {"name": name, "trained_on": "not stated: a folder of the published layout"}
    digest = short_digest(weights.read_bytes())
    source = source_of(record.get("embeddings"), language_width(network), name, folder, embeddings)
    if source is not None:
        digest = short_digest(digest.encode(), source.digest.encode())
    return Model(record.get("name", name), network, tokenizer, scoring, card, digest, source)


def _record(folder: Path) -> dict:
    """The content of model.json; empty where there is none, as in the published layout."""
    file = folder / "model.json"
    if not file.is_file():
        return {}
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError("cannot be read as JSON", file=file, got=error) from None


def _member(folder: Path, name: str) -> Path:
    place = member_folder(folder, name)
    if place is None:
        expected = f"a folder {name} in it or beside it"
        raise InputError("a member of the ensemble is not there", file=folder, got=name, expected=expected)
    return place


def load_tokenizer(tokenizer):
    """The structure tokenizer of a registered name, of a bundled model's name, or in a folder."""
    from plait.tokenizers.saving import load_tokenizer as load_plain

    path = Path(str(tokenizer))
    if path.is_file() and is_pickle(path):
        raise refusal(path)
    if str(tokenizer) in bundled():
        return load_plain(bundled()[str(tokenizer)] / "tokenizer")
    return load_plain(tokenizer)


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()  # which would be drawn in a pipe
    patterns = ["config.json", "model.safetensors", "model.json", "tokenizer/*"]
    try:
        folder = Path(snapshot_download(name, allow_patterns=patterns))
        record = _record(folder)
        members = [str(member) for member in record.get("members", [])]
        if "model" in record.get("embeddings", {}):
            members.append(str(record["embeddings"]["model"]))
        if members:  # an ensemble's own folder holds no weights
            patterns += [f"{member}/{pattern}" for member in members for pattern in patterns]
            folder = Path(snapshot_download(name, allow_patterns=patterns))
        return folder
    except RepositoryNotFoundError:
        raise InputError("no such model on the hub", got=repr(name), do="Check owner and name.") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise InputError(
            "the model is not in the cache and could not be downloaded",
            got=repr(name),
            do=f"Is there a network? Else give a folder. ({type(error).__name__})",
        ) from None
