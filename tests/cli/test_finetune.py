"""`plait finetune`: what it refuses, and what it says."""

import pytest
import yaml

from plait.cli.main import main


def test_a_task_without_a_head_is_refused(capsys):
    assert main(["finetune", "--task", "mutation-effects"]) == 2
    message = capsys.readouterr().err
    assert "no head that can be taught" in message and "binding-sites" in message


def test_help_says_what_there_is(capsys):
    with pytest.raises(SystemExit):
        main(["finetune", "--help"])
    text = capsys.readouterr().out
    for name in ("--probe", "--encoder_rate", "--start", "--seeds", "--data.name"):
        assert name in text


@pytest.mark.slow
def test_validation_and_tests_are_told(shared, tmp_path, capsys):
    recipe = {
        "data": {"name": "complexes", "folder": str(shared / "data" / "complexes"), "longest": 120},
        "test": ["test_dude"],
        "batch": {"residues": 256, "crop": 64},
        "encoder": {"name": "neighbourhood", "width": 16, "edge_width": 8, "layers": 1, "heads": 2, "neighbours": 8},
        "run": {"out": str(tmp_path / "run"), "steps": 2, "warmup": 1, "validate_every": 2, "threads": 1},
        "seeds": 2,
    }
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe))
    assert main(["finetune", "--config", str(file), "--model", str(tmp_path / "model")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("valid: auroc ") and "+-" in lines[0]
    assert lines[1].startswith("test_dude: auroc ")
    assert lines[-1] == f"model: {tmp_path / 'model'}"
    assert (tmp_path / "model" / "model.safetensors").is_file()
