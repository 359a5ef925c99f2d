"""Takes arrays out of a pickle without running it, in a process of its own that `plait.models.pickles` starts.

A codebook is read by `plait.models.pickle_machine`, a torch file by torch's own weights-only reader. What was found
leaves as npy and safetensors, what was wrong as JSON.
"""

import json
import pickletools
import re
import sys
from pathlib import Path

import numpy as np

from plait.models.pickle_machine import LARGEST_ARRAY, Array, KMeans, Refused, Source, load, short

MEMORY = 4 * 2**30  # bytes of the process, beside four times the file


def open_plain_or_compressed(path: Path):
    """The file, decompressed on the way, if it is, by what joblib may have used."""
    with open(path, "rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        import gzip

        return gzip.open(path)
    if start.startswith(b"BZh"):
        import bz2

        return bz2.open(path)
    if start.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
        import lzma

        return lzma.open(path)
    if len(start) > 1 and start[0] == 0x78 and (start[0] * 256 + start[1]) % 31 == 0:
        return _inflate(path)
    if start.startswith(b"\x04\x22\x4d\x18"):
        raise Refused("compressed by lz4, which is not read", expected="zlib, gzip, bz2, lzma, xz or none")
    return open(path, "rb")


def _inflate(path: Path):
    import io
    import zlib

    class Inflating(io.RawIOBase):
        """Python has no file for a bare zlib stream."""

        def __init__(self):
            self.file, self.stream = open(path, "rb"), zlib.decompressobj()  # noqa: SIM115

        def readable(self):
            return True

        def readinto(self, buffer):
            while not self.stream.eof:
                data = self.stream.unconsumed_tail or self.file.read(2**16)
                if not data:
                    raise EOFError
                if out := self.stream.decompress(data, len(buffer)):
                    buffer[: len(out)] = out
                    return len(out)
            return 0

        def close(self):
            self.file.close()
            super().close()

    return io.BufferedReader(Inflating())


# -- the two kinds of file, and the process


def read_kmeans(path: Path, folder: Path) -> None:
    """Write the centres of a KMeans as `centres.npy`."""
    import lzma
    import zlib

    try:
        with open_plain_or_compressed(path) as file:
            found = load(file)
    except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise Refused("cannot be decompressed: damaged or cut short", got=_reason(error)) from None
    except (ValueError, OverflowError) as error:  # of pickletools: no such opcode, not enough bytes
        raise Refused("not a pickle, or damaged or cut short", got=_reason(error)) from None
    if not isinstance(found, KMeans):
        raise Refused("not a codebook", got=short(found), expected="a fitted scikit-learn KMeans")
    centres = found.state.get("cluster_centers_")
    centres = centres.value if isinstance(centres, Array) else None
    if centres is None or centres.ndim != 2 or centres.dtype.kind != "f" or 0 in centres.shape:
        raise Refused(
            "the KMeans has no centres",
            got="none" if centres is None else f"{centres.dtype} {centres.shape}",
            expected="cluster_centers_, floating-point (K, d)",
        )
    centres = np.ascontiguousarray(centres, centres.dtype.newbyteorder("="))
    np.save(folder / "centres.npy", centres, allow_pickle=False)


TENSOR_NAMES = re.compile(
    r"collections\.OrderedDict|torch\._utils\._rebuild_(tensor_v2|parameter)|torch\.\w+Storage|torch\.storage\.\w+Storage"
)
"""The names that a state dict may hold."""


def read_torch(path: Path, folder: Path) -> None:
    """Write the tensors of a state dict as `tensors.safetensors`."""
    _refuse_other_names(path)
    import torch
    from safetensors.torch import save_file

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # whatever torch's reader makes of damaged bytes
        raise Refused("not a torch file of tensors, or damaged or cut short", got=_torch_reason(error)) from None
    allowed = LARGEST_ARRAY + 4 * path.stat().st_size
    if not isinstance(found, dict):
        raise Refused("not a state dict", got=f"a {type(found).__name__}", expected="tensors by name")
    tensors, size = {}, 0
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise Refused(
                "not a state dict", got=f"{short(name)}: a {type(tensor).__name__}", expected="tensors by name"
            )
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
            raise Refused("a tensor that is not dense and real", got=short(name))
        size += tensor.numel() * tensor.element_size()
        if size > allowed:
            raise Refused("the tensors are larger than the file can hold", got=short(name))
        # numpy has no bfloat16; float32 holds each of its values
        tensor = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        tensors[name] = tensor.detach().clone(memory_format=torch.contiguous_format)
    save_file(tensors, folder / "tensors.safetensors")


def _refuse_other_names(path: Path) -> None:
    """Torch's reader keeps a list of its own; ours is shorter, and says what was met before torch is even loaded."""
    import zipfile

    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for entry in archive.namelist():
                    if entry.endswith(".pkl"):
                        with archive.open(entry) as file:
                            _check_names(Source(file))
        else:
            with open(path, "rb") as file:
                for _ in range(5):  # magic number, version, system, state dict, storages; raw bytes follow
                    _check_names(Source(file))
    except Refused:
        raise
    except Exception as error:  # of zipfile and pickletools on damaged bytes
        raise Refused("not a torch file of tensors, or damaged or cut short", got=_reason(error)) from None


def _check_names(source: Source) -> None:
    from _compat_pickle import IMPORT_MAPPING  # protocol 2 uses the modules' names of Python 2

    words = ["", ""]
    for opcode, argument, _ in pickletools.genops(source):
        if isinstance(argument, str):
            words = [words[1], argument]
        if opcode.name in ("GLOBAL", "INST"):
            module, name = argument.split(" ", 1)
        elif opcode.name == "STACK_GLOBAL":
            module, name = words
        else:
            continue
        full = f"{IMPORT_MAPPING.get(module, module)}.{name}"
        if not TENSOR_NAMES.fullmatch(full) or opcode.name != "GLOBAL":
            raise Refused(
                "refused: the pickle asks for what is not a tensor",
                got=short(full, quote=False),
                expected="a plain state dict",
            )


def _torch_reason(error: Exception) -> str:
    text = str(error)
    match = re.search(r"WeightsUnpickler error:\s*(\S.*)", text)
    return (match[1] if match else text).strip().split("\n")[0][:160]


def _reason(error: Exception) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:160]


def _limit(path: Path) -> None:
    """Bounds on memory, time and files of this process, where the platform has them."""
    try:
        import resource
    except ImportError:
        return
    for name, limit in (
        ("RLIMIT_DATA", MEMORY + 4 * path.stat().st_size),
        ("RLIMIT_CPU", 300),
        ("RLIMIT_CORE", 0),
    ):
        hard = resource.getrlimit(getattr(resource, name))[1]
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        try:
            resource.setrlimit(getattr(resource, name), (limit, limit))
        except (ValueError, OSError):
            continue


def _forbid_processes() -> None:
    """From here on this process starts no other and opens no connection: a second wall behind the allow-list."""

    forbidden = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.", "socket.")

    def hook(event: str, _):
        if event.startswith(forbidden):
            raise PermissionError(f"{event} while a pickle is read")

    sys.addaudithook(hook)


def main(arguments: list[str]) -> None:
    kind, path, folder = arguments[0], Path(arguments[1]), Path(arguments[2])
    _limit(path)
    _forbid_processes()
    try:
        {"kmeans": read_kmeans, "torch": read_torch}[kind](path, folder)
        answer = {}
    except Refused as error:
        answer = error.fields
    except MemoryError:
        answer = {"what": "needs more memory to read than its size justifies"}
    (folder / "answer.json").write_text(json.dumps(answer))
