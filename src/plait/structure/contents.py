"""The bytes of a file, unpacked within limits, and the format that those of a structure are in."""

import re
import zlib
from pathlib import Path

from plait.errors import InputError

LIMIT = 512 * 2**20
"""Most bytes that a file may have, unpacked."""

_CHUNK = 2**20
_RATIO_FROM = 8 * 2**20
_RATIO = 100
_PACKED = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf": "7z",
}
_PDB_RECORD = re.compile(
    rb"^(ATOM  |HETATM|HEADER|TITLE |COMPND|SOURCE|REMARK|CRYST1|MODEL |SEQRES|EXPDTA|AUTHOR|HELIX |SHEET |OBSLTE"
    rb"|PARENT|TER\b|END\b|MASTER|ORIGX|SCALE|DBREF|USER  |KEYWDS|REVDAT|NUMMDL|CAVEAT|SPLIT |MDLTYP|SSBOND|ANISOU)",
    re.MULTILINE,
)
_CIF_START = re.compile(rb"\A(?:\s|#[^\n]*\n)*(?:data_|loop_|global_|save_|_)", re.IGNORECASE)
_CONTROLS = bytes([*range(9), *range(14, 32)])
_FORMATS = "PDB, mmCIF or BinaryCIF, plain or gzipped"


def read_bytes(path: Path, what: str = "a structure", formats: str = _FORMATS) -> bytes:
    """The content of a file, unpacked if it is gzipped; `what` it should hold and in which `formats` is for messages.

    Raises
    ------
    InputError
        The file is missing, a folder, not readable, empty, too large, or a broken or implausibly dense gzip stream.
    """
    try:
        if path.is_dir():
            raise InputError("this is a folder", file=path, expected=f"{what} file", do="Name a file in it.")
        size = path.stat().st_size
        if size > LIMIT:
            raise InputError("file too large", file=path, got=_mib(size), expected=f"at most {_mib(LIMIT)}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError("no such file", file=path, do="Check the path.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError("file cannot be read", file=path, got=reason) from None
    return unpack(data, path, what, formats)


def unpack(data: bytes, file, what: str = "a structure", formats: str = _FORMATS) -> bytes:
    """`data`, unpacked if it is a gzip stream. Raises InputError as `read_bytes`; the rest is for its message."""
    if not data:
        raise InputError("file is empty", file=file, place="byte 0", got="0 bytes", expected=formats)
    if data[:2] == b"\x1f\x8b":
        data = _gunzip(data, file, what)
        if not data.strip():
            raise InputError(
                "file is empty", file=file, place="inside gzip", got=f"{len(data)} bytes", expected=formats
            )
        if data[:2] == b"\x1f\x8b":
            raise InputError("gzipped twice", file=file, do="Unpack it once.")
    data = data.removeprefix(b"\xef\xbb\xbf")
    for magic, name in _PACKED.items():
        if data.startswith(magic):
            raise InputError("unknown compression", file=file, got=name, expected=formats, do="Unpack it first.")
    return data


def _gunzip(data: bytes, file, what: str) -> bytes:
    parts, total, offset = [], 0, 0
    while offset < len(data):  # a gzip file may have several members; zero padding may follow
        if not data[offset : offset + 1].strip(b"\0"):
            break
        stream = zlib.decompressobj(wbits=31)
        pending = memoryview(data)[offset:]
        while not stream.eof:
            try:
                part = stream.decompress(pending, _CHUNK)
            except zlib.error as error:
                raise InputError(
                    "broken gzip stream", file=file, place=f"after {total} unpacked bytes", got=str(error)
                ) from None
            parts.append(part)
            total += len(part)
            if total > LIMIT or (total > _RATIO_FROM and total > _RATIO * len(data)):
                raise InputError(
                    f"gzip content too dense to be {what}",
                    file=file,
                    place="inside gzip",
                    got=f"more than {_mib(total)} from {len(data)} bytes",
                    expected=f"at most {_mib(LIMIT)} and {_RATIO} times the packed size",
                )
            pending = stream.unconsumed_tail
            if not part and not pending and not stream.eof:
                raise InputError(
                    "gzip stream cut",
                    file=file,
                    place=f"after {total} unpacked bytes",
                    got="the end of the file",
                    expected="the end of the stream",
                    do="Get the file again.",
                )
        offset = len(data) - len(stream.unused_data)
    return b"".join(parts)


def detect_format(data: bytes, file) -> str:
    """ "pdb", "mmcif" or "bcif", from the content alone.

    Raises
    ------
    InputError
        It is none of them; the message says what it looks like.
    """
    head = data[:4096]
    if head[:1] and (0x80 <= head[0] <= 0x8F or head[0] in (0xDE, 0xDF)) and b"dataBlocks" in data:
        return "bcif"
    if b"mmtfVersion" in head:
        raise _unknown("MMTF, which is no longer maintained", file)
    if head.count(b"\0") or len(head) - len(head.translate(None, _CONTROLS)) > len(head) // 50:
        raise _unknown("binary data", file)
    if _CIF_START.match(data):
        return "mmcif"
    if _PDB_RECORD.search(data):
        return "pdb"
    text = head.lstrip().lower()
    if text.startswith(b"<"):
        kind = "an HTML page" if b"<html" in text or b"<!doctype html" in text else "XML"
        raise _unknown(kind, file, do="Look at it in an editor: it may be a server's error page.")
    if text.startswith((b"{", b"[")):
        raise _unknown("JSON", file)
    if text.startswith(b">"):
        raise _unknown("a FASTA sequence", file)
    if not data.strip():
        raise InputError("file is empty", file=file, got="blanks only", expected=_FORMATS)
    raise _unknown("text without a known record", file)


def _unknown(got: str, file, do=None) -> InputError:
    return InputError("not a structure file", file=file, place="line 1", got=got, expected=_FORMATS, do=do)


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
