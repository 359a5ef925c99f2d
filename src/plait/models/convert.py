"""Published weights, which come as pickles, turned into folders of safetensors and JSON that plait reads."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plait.errors import InputError
from plait.models.pickles import is_pickle, read_kmeans, read_torch_state


def convert_tokenizer(encoder, codebook, out) -> str:
    """Make the folder of a GVP tokenizer from a published structure encoder and codebook.

    Parameters
    ----------
    encoder : path
        `AE.pt`, or the same tensors as safetensors.
    codebook : path
        `K.joblib`, a scikit-learn KMeans, or its centres (K, 256) as npy. Double precision is kept.
    out : path
        The folder to make; it must be new or empty.

    Returns
    -------
    str
        What was made, in a line.

    Raises
    ------
    InputError
        If a file is not what it should be, or `out` cannot be written. Nothing is left there then.
    """
    with whole(out) as folder:
        centres = read_codebook(codebook)
        tokenizer = read_encoder(encoder), centres
        from plait.tokenizers.gvp import GVPTokenizer

        GVPTokenizer(*tokenizer, GVPTokenizer.Config(compat=True)).save(folder)
    return f"tokenizer: {out} ({len(centres)} states, centres in {centres.centres.dtype})"


def convert_language_model(source, out) -> str:
    """Make a folder of config.json and model.safetensors from one of config.json and pytorch_model.bin.

    Raises
    ------
    InputError
        As `convert_tokenizer`; also if the tensors are not those of the configuration.
    """
    from plait.encoders.prosst.published import load_state, read_config, save_folder

    source = Path(source)
    config = read_config(source / "config.json")
    path = source / "pytorch_model.bin"
    with whole(out) as folder:
        arrays = read_torch_state(path)
        import torch

        from plait.encoders.prosst.modeling import ProsstForMaskedLM

        model = ProsstForMaskedLM(config)
        load_state(model, {name: torch.from_numpy(value) for name, value in arrays.items()}, file=path)
        save_folder(model, folder)
    return f"model: {out} ({config.structure_states} structure states)"


def read_encoder(path):
    """The published structure encoder, a `GVPEncoder`: all of its tensors in shape, and no others.

    Raises
    ------
    InputError
        Naming a tensor that is missing, left over, of another shape or not finite.
    """
    tensors = read_torch_state(path) if not _is_plain(path, ".safetensors") else None
    from plait.data.tensors import read_tensors
    from plait.tokenizers.gvp_published import encoder_from_tensors

    return encoder_from_tensors(read_tensors(path) if tensors is None else tensors, file=path)


def read_codebook(path):
    """The published centres, a `Codebook` (K, 256) in the precision of the file.

    Raises
    ------
    InputError
    """
    centres = read_kmeans(path) if not _is_plain(path, ".npy") else None
    from plait.tokenizers.codebook import Codebook
    from plait.tokenizers.gvp_network import PUBLISHED

    codebook = Codebook.load(path) if centres is None else Codebook(centres)
    width = PUBLISHED.node_hidden[0]
    if codebook.centres.shape[1] != width:
        raise InputError(
            "not a codebook of the published encoder",
            file=path,
            got=codebook.centres.shape,
            expected=f"(K, {width})",
        )
    return codebook


@contextmanager
def whole(out) -> Iterator[Path]:
    """A folder beside `out` that takes its place at the end, if nothing fails on the way.

    Raises
    ------
    InputError
        If `out` is there and not an empty folder, or cannot be made.
    """
    out = Path(out).absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("is there already", file=out, expected="a new or empty folder", do="Choose another --out.")
    made = [parent for parent in out.parents if not parent.exists()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        _remove_empty(made)
        raise InputError("the folder cannot be made", file=out, got=error.strerror) from None
    try:
        yield folder
        folder.chmod(0o777 & ~_umask())
        if out.exists():
            out.rmdir()
        os.replace(folder, out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_empty(made)
        raise


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _is_plain(path, suffix: str) -> bool:
    """Whether a file goes by the name of numbers, and is not a pickle all the same."""
    path = Path(path)
    return path.suffix == suffix and not (path.is_file() and is_pickle(path))
