"""Paths and real structures that the tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with data, specifications and oracle: $PLAIT_SHARED, or ../shared beside the checkout."""
    folder = Path(os.environ.get("PLAIT_SHARED", ROOT.parent / "shared"))
    if not (folder / "README.md").is_file():
        pytest.skip(f"no shared data at {folder}: set PLAIT_SHARED to a folder that has them")
    return folder


@pytest.fixture(scope="session")
def structures(shared) -> Path:
    """Real structure files, good and (in bad/) bad."""
    return shared / "data" / "structures"


@pytest.fixture(scope="session")
def oracle(shared) -> Path:
    """Outputs of the published programs."""
    return shared / "oracle"
