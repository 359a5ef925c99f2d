"""What a file held when it was read."""

import hashlib
from typing import Any


def file_digest(path) -> dict[str, Any]:
    """Name and SHA-256 of a file's content, or of bytes."""
    if isinstance(path, bytes):
        return {"file": None, "sha256": hashlib.sha256(path).hexdigest()}
    with open(path, "rb") as file:
        return {"file": str(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
