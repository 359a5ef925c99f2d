"""Where the embeddings come from that an encoder reads beside a structure: another model, or arrays made before."""

import functools
import json
from pathlib import Path

import numpy as np

from plait.data.base import short_digest
from plait.errors import InputError
from plait.models.catalogue import bundled
from plait.models.embedding_arrays import FileEmbeddings
from plait.structure.protein import Protein


class ModelEmbeddings:
    """Vectors of residues from a model's encoder, which sees all chains together: what `plait embed --together --half`
    writes. Of one chain, `plait embed --half` has the same.

    Parameters
    ----------
    name : str or path
        A model's name, folder or hub id.
    within : path, optional
        The folder of the model that reads them, where one of that name may lie.
    expected : dict, optional
        What model.json says of them (`record`). The model is then loaded when it is first asked.

    Raises
    ------
    InputError
        If there is no such model, or it is not the one that was expected.
    """

    computed = True

    def __init__(self, name, within: Path | None = None, expected: dict | None = None):
        self.name, self._within = str(name), within
        if expected is None:
            self.width, self.digest = self._embedder.width, self._found_digest
        else:
            self.width, self.digest = int(expected["width"]), str(expected["digest"])

    @property
    def model(self):
        """The model."""
        return self._embedder.model

    @property
    def own(self) -> bool:
        """Whether a model that reads its vectors brings it along: one of the hub is left there, a bundled one may be
        another in the next version."""
        return self._place is not None or self.name in bundled() or Path(self.name).is_dir()

    @property
    def named(self) -> dict[str, str]:
        """What a recipe calls them."""
        return {"model": str(self._place or self.name)}

    @property
    def record(self) -> dict:
        """What model.json says of them."""
        name = self.model.name if self.own else self.name
        return {"model": name, "width": self.width, "digest": self.digest}

    def check(self) -> None:
        """Raise InputError if the model is not there or is another one than when it was recorded."""
        got = (self._embedder.width, self._found_digest)
        if got != (self.width, self.digest):
            raise InputError(
                "the model whose embeddings are read is not the one of training",
                file=self.name,
                got=f"digest {got[1]}, {got[0]} values",
                expected=f"{self.digest}, {self.width}",
                do="Put that one into the folder of the model that reads them.",
            )

    def __call__(self, protein: Protein) -> np.ndarray:
        """float32 [R, S], rounded to float16."""
        self.check()
        rows = np.empty((len(protein), self.width), np.float32)
        for one in self._embedder(protein):
            rows[protein.chain == one.chain] = one.halved(protein.source or None).vectors
        return rows

    def fits(self, name: str, residues: int) -> bool:
        return True

    @property
    def _place(self) -> Path | None:
        """The folder of that name in the one of the model that reads them."""
        place = None if self._within is None else self._within / self.name
        return place if place is not None and (place / "model.json").is_file() else None

    @functools.cached_property
    def _embedder(self):
        from plait.models.embedding import Embedder
        from plait.models.loading import load

        return Embedder(load(self._place or self.name), "residue", together=True)

    @functools.cached_property
    def _found_digest(self) -> str:
        """Of all that vectors hang on, however it is stored: heads do not count, nor the precision of the file."""
        from plait.config import to_dict
        from plait.models.networks import encoder_of
        from plait.tokenizers.saving import digest

        parts = []
        for one in self._embedder.networks:
            encoder = encoder_of(one.network)
            parts.append(json.dumps([encoder.name, to_dict(encoder.config)], sort_keys=True).encode())
            parts += [tensor.float().numpy().tobytes() for _, tensor in sorted(encoder.state_dict().items())]
            parts.append(b"" if one.tokenizer is None else digest(one.tokenizer).encode())
            parts.append(b"" if one.embeddings is None else one.embeddings.digest.encode())
        return short_digest(*parts)


class AbsentEmbeddings:
    """Embeddings that a model reads and that are still to be given; asking for them raises InputError.

    Parameters
    ----------
    reader : str
        The name of the model that reads them.
    record : dict
        What model.json says of them, at least their `width`.
    """

    computed, own, awaited, named = False, False, True, {}

    def __init__(self, reader: str, record: dict):
        self.reader, self.record, self.width, self.digest = reader, record, int(record["width"]), ""

    def check(self) -> None:
        made = f", such as those of training, {self.record['file']}" if "file" in self.record else ""
        raise InputError(
            "this model reads precomputed embeddings, and none are given",
            file=self.reader,
            expected=f"{self.width} values for each residue{made}",
            do="Give them with --embeddings FILE, or plait.load(NAME, embeddings=FILE).",
        )

    def __call__(self, protein: Protein):
        self.check()

    def fits(self, name: str, residues: int) -> bool:
        self.check()


def source_of(record: dict | None, width: int, reader: str, folder: Path | None, given=None):
    """The source of a model's embeddings; None for a model whose encoder reads none.

    Parameters
    ----------
    record : dict or None
        What its model.json says of them.
    width : int
        Values of a residue that its encoder reads; 0 for none.
    reader : str
        Its name.
    folder : path
        Its folder.
    given : path, optional
        Precomputed embeddings that are to be read instead.

    Raises
    ------
    InputError
        If what is given, or the record, does not fit the encoder.
    """
    if not width:
        if given is not None:
            raise InputError("this model reads no embeddings", file=reader, got=given, do="Leave out --embeddings.")
        return None
    if given is not None:
        source = FileEmbeddings(given)
    else:
        record = {"width": width, **(record or {})}
        if not isinstance(record["width"], int) or ("model" in record and "digest" not in record):
            raise InputError("model.json does not say of which embeddings", file=reader, got=record)
        source = ModelEmbeddings(record["model"], folder, record) if "model" in record else None
        source = source or AbsentEmbeddings(reader, record)
    if source.width != width:
        raise InputError(
            "embeddings that the model does not read",
            file=given or reader,
            got=f"{source.width} values for each residue",
            expected=width,
        )
    return source
