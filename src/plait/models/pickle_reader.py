"""Takes arrays out of a pickle without running it. Runs in a process of its own, started by `plait.models.pickles`.

A codebook is read by a small machine for the opcodes that joblib and pickle use for a fitted scikit-learn KMeans. Names
in the pickle are looked up in a list and stand for themselves: nothing is imported, and nothing is called, on the word
of the file. Arrays follow joblib's wrappers as raw bytes; only numbers are taken. A torch file is read by torch's own
weights-only reader. What was found leaves as npy and safetensors.
"""

import json
import math
import pickletools
import re
import sys
from pathlib import Path

import numpy as np

LARGEST_ARRAY = 512 * 2**20  # bytes; the labels of ten million training vectors are 80 million
LONGEST_PICKLE = 2**30  # bytes, after decompression
MOST_OPERATIONS = 100_000  # a KMeans takes some 250
MEMORY = 4 * 2**30  # bytes of the process, beside four times the file

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")  # before and since numpy 2
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_KMEANS = ("sklearn.cluster._kmeans", "sklearn.cluster.k_means_")  # since and before scikit-learn 0.22
ALLOWED = {
    "numpy.dtype": "dtype",
    "numpy.ndarray": "ndarray",
    "joblib.numpy_pickle.NumpyArrayWrapper": "wrapper",
    **{f"{module}.scalar": "scalar" for module in _MULTIARRAY},
    **{f"{module}._reconstruct": "reconstruct" for module in _MULTIARRAY},
    **{f"{module}._frombuffer": "frombuffer" for module in _NUMERIC},
    **{f"{module}.{name}": "kmeans" for module in _KMEANS for name in ("KMeans", "MiniBatchKMeans")},
}
"""The names that a codebook may hold, and what each stands for."""


class Refused(Exception):
    """What is wrong with the file, as the fields of an `InputError`."""

    def __init__(self, what: str, **details):
        super().__init__(what)
        self.fields = {"what": what, **{name: str(value) for name, value in details.items()}}


# -- the values that a codebook is made of, beside plain ones


class Name:
    """A name of the list: a mark on the stack, not the thing that it names."""

    def __init__(self, full: str):
        self.full, self.role = full, ALLOWED[full]


class Type:
    """An array's type in the making: the kind and size come first, the byte order later."""

    def __init__(self, code):
        if not isinstance(code, str) or not re.fullmatch(r"b1|[iu][1248]|f[248]", code):
            raise Refused("the pickle holds an array that is not of plain numbers", got=f"type {code!r}")
        self.code, self.order = code, "="

    def build(self, state) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise Refused("the pickle describes a type of numbers in no known way", got=_short(state))
        self.order = state[1]

    @property
    def real(self) -> np.dtype:
        return np.dtype(self.order + self.code)


class Array:
    """An array in the making; `value` is there once its bytes are."""

    def __init__(self, role: str):
        self.role, self.value = role, None


class KMeans:
    """The attributes of a fitted KMeans."""

    def __init__(self):
        self.state = {}


# -- the machine


def load(file) -> object:
    """What the pickle in a binary file describes, made of the values above and of plain ones."""
    source = Source(file)
    stack, marks, memo = [], [], {}

    def pop():
        if not stack or (marks and len(stack) <= marks[-1]):
            raise Refused("the pickle takes more from its stack than it put there")
        return stack.pop()

    def pop_to_mark() -> list:
        if not marks:
            raise Refused("the pickle takes more from its stack than it put there")
        start = marks.pop()
        values = stack[start:]
        del stack[start:]
        return values

    for count, (opcode, argument, _) in enumerate(pickletools.genops(source)):
        if count > MOST_OPERATIONS:
            raise Refused("the pickle is too long for a codebook", expected=f"at most {MOST_OPERATIONS} operations")
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                break
            case "MARK":
                marks.append(len(stack))
            case "POP":
                pop()
            case "POP_MARK":
                pop_to_mark()
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode.name == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "SHORT_BINUNICODE" | "BINUNICODE" | "BINUNICODE8":
                stack.append(argument)
            case "SHORT_BINBYTES" | "BINBYTES" | "BINBYTES8" | "BYTEARRAY8":
                stack.append(bytes(argument))
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE":
                stack.append(tuple(pop_to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(reversed([pop() for _ in range(int(opcode.name[-1]))])))
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "APPEND":
                value = pop()
                _top(stack, list).append(value)
            case "APPENDS":
                values = pop_to_mark()
                _top(stack, list).extend(values)
            case "SETITEM":
                value, key = pop(), pop()
                _set(_top(stack, dict), [key, value])
            case "SETITEMS":
                values = pop_to_mark()
                _set(_top(stack, dict), values)
            case "MEMOIZE":
                memo[len(memo)] = _top(stack)
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = _top(stack)
            case "BINGET" | "LONG_BINGET":
                if argument not in memo:
                    raise Refused("the pickle refers to what it does not hold", got=f"item {argument}")
                stack.append(memo[argument])
            case "GLOBAL" | "INST":
                stack.append(_name(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                name, module = pop(), pop()
                stack.append(_name(module, name))
            case "NEWOBJ":
                arguments, cls = pop(), pop()
                stack.append(_new(cls, arguments))
            case "REDUCE":
                arguments, function = pop(), pop()
                stack.append(_reduce(function, arguments))
            case "BUILD":
                state = pop()
                _build(_top(stack), state, source)
            case other:
                raise Refused("the pickle does what no codebook needs", got=f"operation {other}")
    if len(stack) != 1 or marks:
        raise Refused("the pickle ends with more or less than one value", got=len(stack))
    if source.read(1):
        raise Refused("there are bytes after the end of the pickle")
    return stack[0]


def _top(stack: list, kind: type = object):
    if not stack or not isinstance(stack[-1], kind):
        raise Refused("the pickle is not in order", expected=f"a {kind.__name__} on its stack")
    return stack[-1]


def _set(target: dict, values: list) -> None:
    if len(values) % 2:
        raise Refused("the pickle is not in order", got="a key without a value")
    for key, value in zip(values[::2], values[1::2]):
        if not isinstance(key, str):
            raise Refused("the pickle has a key that is not a word", got=_short(key))
        target[key] = value


def _name(module, name) -> Name:
    if not isinstance(module, str) or not isinstance(name, str):
        raise Refused("the pickle is not in order", got="a name that is not a word")
    full = f"{module}.{name}"
    if full not in ALLOWED:
        raise Refused(
            "refused: the pickle asks for what is not an array or a KMeans",
            got=_short(full, quote=False),
            expected="numpy arrays in a scikit-learn KMeans",
        )
    return Name(full)


def _new(cls, arguments):
    role = cls.role if isinstance(cls, Name) else None
    if arguments != () or role not in ("kmeans", "wrapper"):
        raise Refused("the pickle makes an object in no known way", got=_short(cls))
    return KMeans() if role == "kmeans" else Array("wrapper")


def _reduce(function, arguments):
    role = function.role if isinstance(function, Name) else None
    match role, arguments:
        case "dtype", (code, *_):
            return Type(code)
        case "scalar", (Type() as kind, bytes() as data):
            return _array(kind.real, (), "C", data)[()].item()
        case "reconstruct", (Name(role="ndarray"), *_):
            return Array("reconstruct")
        case "frombuffer", (bytes() as data, Type() as kind, tuple() as shape, str() as order):
            array = Array("frombuffer")
            array.value = _array(kind.real, shape, order, data)
            return array
    raise Refused("the pickle calls in no known way", got=_short(function))


def _build(target, state, source: "Source") -> None:
    match target, state:
        case Type(), _:
            target.build(state)
        case KMeans(), dict():
            target.state.update(state)
        case Array(role="wrapper", value=None), dict():
            target.value = _read_array(state, source)
        case Array(role="reconstruct", value=None), (_, tuple() as shape, Type() as kind, bool() as fortran, data):
            if not isinstance(data, bytes):
                raise Refused("the pickle holds an array that is not of plain numbers", got="an array of objects")
            target.value = _array(kind.real, shape, "F" if fortran else "C", data)
        case _:
            raise Refused("the pickle fills an object in no known way", got=_short(target))


def _read_array(state: dict, source: "Source") -> np.ndarray:
    """The array whose bytes follow a wrapper, after padding that joblib writes since 1.1."""
    match state:
        case {
            "subclass": Name(role="ndarray"),
            "shape": tuple() as shape,
            "order": "C" | "F" as order,
            "dtype": Type() as kind,
        }:
            if state.get("numpy_array_alignment_bytes") is not None:
                padding = source.read(1)
                source.read(padding[0] if padding else 0)
            size = _size(kind.real, shape)
            return _array(kind.real, shape, order, source.read_whole(size))
    raise Refused("the pickle describes an array in no known way", got=", ".join(map(str, state)))


def _array(kind: np.dtype, shape: tuple, order: str, data: bytes) -> np.ndarray:
    size = _size(kind, shape)
    if len(data) != size:
        raise Refused("an array in the pickle is cut short", got=f"{len(data)} bytes", expected=f"{size}")
    if order not in ("C", "F"):
        raise Refused("the pickle describes an array in no known way", got=f"order {_short(order)}")
    return np.frombuffer(data, kind).reshape(shape, order=order)


def _size(kind: np.dtype, shape: tuple) -> int:
    if len(shape) > 8 or not all(type(length) is int and length >= 0 for length in shape):
        raise Refused("the pickle describes an array in no known way", got=f"shape {_short(shape)}")
    size = math.prod(shape) * kind.itemsize
    if size > LARGEST_ARRAY:
        raise Refused(
            "the pickle declares an array too large for a codebook",
            got=f"shape {_short(shape)}",
            expected=f"at most {LARGEST_ARRAY // 2**20} MiB",
        )
    return size


def _short(value, quote: bool = True) -> str:
    """A value of the pickle as a few words of a message. What it holds is not shown, so that nothing can be endless."""
    if isinstance(value, Name):
        return value.full
    if isinstance(value, tuple) and all(type(item) is int for item in value[:4]):
        return "(" + ", ".join(map(str, value[:4])) + (", ...)" if len(value) > 4 else ")")
    if isinstance(value, str):
        text = "".join(letter if letter.isprintable() else "?" for letter in value[:80])
        return repr(text) if quote else text
    return f"a {type(value).__name__}"


# -- the file


class Source:
    """A binary file that is read forward and not beyond measure."""

    def __init__(self, file):
        self.file, self.position = file, 0

    def tell(self) -> int:
        return self.position

    def read(self, size: int) -> bytes:
        if size > LARGEST_ARRAY or self.position + size > LONGEST_PICKLE:
            raise Refused("the pickle is too large for a codebook", expected=f"at most {LONGEST_PICKLE // 2**20} MiB")
        data = self.file.read(size)
        self.position += len(data)
        return data

    def readline(self) -> bytes:
        data = self.file.readline(2**16)
        self.position += len(data)
        return data

    def read_whole(self, size: int) -> bytes:
        """`size` bytes, taken in pieces, so that a size that is only claimed costs nothing."""
        pieces, left = [], size
        while left:
            piece = self.read(min(left, 2**24))
            if not piece:
                raise Refused("the file is cut short", got=f"{size - left} bytes of an array", expected=size)
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)


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
            self.file, self.stream = open(path, "rb"), zlib.decompressobj()

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
        raise Refused("not a codebook", got=_short(found), expected="a fitted scikit-learn KMeans")
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


def read_torch(path: Path, folder: Path) -> None:
    """Write the tensors of a state dict as `tensors.safetensors`."""
    import pickle

    import torch
    from safetensors.torch import save_file

    _forbid_processes()
    allowed = LARGEST_ARRAY + 4 * path.stat().st_size
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's message speaks of several ways to switch the check off: only what it met is passed on
        match = re.search(r"GLOBAL (?:\w+ )?([\w.]+)", str(error))
        if match:
            raise Refused(
                "refused: the pickle asks for what is not a tensor", got=match[1], expected="a plain state dict"
            ) from None
        raise Refused("not a torch file of tensors, or damaged", got=_torch_reason(error)) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise Refused("not a torch file, or damaged or cut short", got=_reason(error)) from None
    if not isinstance(found, dict):
        raise Refused("not a state dict", got=f"a {type(found).__name__}", expected="tensors by name")
    tensors, size = {}, 0
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise Refused(
                "not a state dict", got=f"{_short(name)}: a {type(tensor).__name__}", expected="tensors by name"
            )
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
            raise Refused("a tensor that is not dense and real", got=_short(name))
        size += tensor.numel() * tensor.element_size()
        if size > allowed:
            raise Refused("the tensors are larger than the file can hold", got=_short(name))
        # numpy has no bfloat16; float32 holds each of its values
        tensor = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        tensors[name] = tensor.detach().clone(memory_format=torch.contiguous_format)
    save_file(tensors, folder / "tensors.safetensors")


def _torch_reason(error: Exception) -> str:
    text = str(error)
    match = re.search(r"WeightsUnpickler error: (.*)", text)
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

    def hook(event: str, _):
        if event.startswith(
            ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.", "socket.")
        ):
            raise PermissionError(f"{event} while a pickle is read")

    sys.addaudithook(hook)


def main(arguments: list[str]) -> None:
    kind, path, folder = arguments[0], Path(arguments[1]), Path(arguments[2])
    _limit(path)
    try:
        if kind == "kmeans":
            _forbid_processes()
            read_kmeans(path, folder)
        else:
            read_torch(path, folder)
        answer = {}
    except Refused as error:
        answer = error.fields
    except MemoryError:
        answer = {"what": "needs more memory to read than its size justifies"}
    (folder / "answer.json").write_text(json.dumps(answer))
