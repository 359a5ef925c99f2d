"""A small machine for the pickles of codebooks: joblib's, and plain ones, of a fitted scikit-learn KMeans.

Names in the pickle are looked up in a list and stand for themselves: nothing is imported, and nothing is called, on
the word of the file. Only the operations that such files need are known. Arrays follow joblib's wrappers as raw bytes,
or stand in the pickle; only numbers are taken.
"""

import math
import pickletools
import re

import numpy as np

LARGEST_ARRAY = 512 * 2**20  # bytes; the labels of ten million training vectors are 80 million
LONGEST_PICKLE = 2**30  # bytes, after decompression
MOST_OPERATIONS = 100_000  # a KMeans takes some 250

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")  # before and since numpy 2
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_KMEANS = ("sklearn.cluster._kmeans", "sklearn.cluster.k_means_")  # since and before scikit-learn 0.22
ALLOWED = {
    "numpy.dtype": "dtype",
    "numpy.ndarray": "ndarray",
    "joblib.numpy_pickle.NumpyArrayWrapper": "wrapper",
    "_codecs.encode": "bytes",  # how protocol 2 writes them
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
            raise Refused("the pickle describes a type of numbers in no known way", got=short(state))
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
            raise Refused("the pickle has a key that is not a word", got=short(key))
        target[key] = value


def _name(module, name) -> Name:
    if not isinstance(module, str) or not isinstance(name, str):
        raise Refused("the pickle is not in order", got="a name that is not a word")
    full = f"{module}.{name}"
    if full not in ALLOWED:
        raise Refused(
            "refused: the pickle asks for what is not an array or a KMeans",
            got=short(full, quote=False),
            expected="numpy arrays in a scikit-learn KMeans",
        )
    return Name(full)


def _new(cls, arguments):
    role = cls.role if isinstance(cls, Name) else None
    if arguments != () or role not in ("kmeans", "wrapper"):
        raise Refused("the pickle makes an object in no known way", got=short(cls))
    return KMeans() if role == "kmeans" else Array("wrapper")


def _reduce(function, arguments):
    role = function.role if isinstance(function, Name) else None
    match role, arguments:
        case "dtype", (code, *_):
            return Type(code)
        case "scalar", (Type() as kind, bytes() as data):
            return _array(kind.real, (), "C", data).item()
        case "bytes", (str() as text, "latin1"):
            return text.encode("latin-1")  # a UnicodeEncodeError is a ValueError, as those of pickletools
        case "reconstruct", (Name(role="ndarray"), *_):
            return Array("reconstruct")
        case "frombuffer", (bytes() as data, Type() as kind, tuple() as shape, str() as order):
            array = Array("frombuffer")
            array.value = _array(kind.real, shape, order, data)
            return array
    raise Refused("the pickle calls in no known way", got=short(function))


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
            raise Refused("the pickle fills an object in no known way", got=short(target))


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
        raise Refused("the pickle describes an array in no known way", got=f"order {short(order)}")
    return np.frombuffer(data, kind).reshape(shape, order=order)


def _size(kind: np.dtype, shape: tuple) -> int:
    if len(shape) > 8 or not all(type(length) is int and length >= 0 for length in shape):
        raise Refused("the pickle describes an array in no known way", got=f"shape {short(shape)}")
    size = math.prod(shape) * kind.itemsize
    if size > LARGEST_ARRAY:
        raise Refused(
            "the pickle declares an array too large for a codebook",
            got=f"shape {short(shape)}",
            expected=f"at most {LARGEST_ARRAY // 2**20} MiB",
        )
    return size


def short(value, quote: bool = True) -> str:
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
