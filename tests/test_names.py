"""Names that are fixed for users, and what importing them costs."""

import subprocess
import sys

import pytest


def modules_after(code: str) -> set[str]:
    """Top-level modules that are loaded after the code has run in a process of its own."""
    code += "\nimport sys; print(' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split("\n")[-2].split())


def test_fixed_names():
    import plait.hf
    from plait.structure import read_structure
    from plait.tokenizers import GVPTokenizer

    assert callable(read_structure)
    assert callable(GVPTokenizer.from_published)
    assert callable(plait.score)
    assert callable(plait.load)


def test_import_is_light():
    loaded = modules_after("import plait")
    assert not loaded & {"torch", "pandas", "biotite", "numpy", "gemmi", "transformers", "lightning", "matplotlib"}


@pytest.mark.slow
def test_scoring_loads_neither_transformers_nor_lightning(structures, tmp_path):
    code = (
        "from plait.cli.main import main\n"
        f"code = main(['score', {str(structures / '1ubi.pdb')!r}, '--out', {str(tmp_path / 'out')!r}])\n"
        "assert code == 0, code"
    )
    loaded = modules_after(code)
    assert "torch" in loaded
    assert not loaded & {"transformers", "lightning", "pytorch_lightning", "sklearn"}
