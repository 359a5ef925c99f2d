"""One dataclass, three ways in (flags, a file, a mapping), and errors that say what to change."""

import dataclasses
from pathlib import Path
from typing import Literal

import pytest

from plait import config as configuration
from plait.config import from_dict, option, parse, part, to_dict
from plait.errors import InputError


@dataclasses.dataclass(frozen=True)
class Inner:
    learning_rate: float = option(1e-3, "peak learning rate")
    layers: int = option(3, "rounds")
    sizes: tuple[int, ...] = option((64, 16), "widths")


@dataclasses.dataclass(frozen=True)
class Outer:
    files: tuple[str, ...] = option((), "files", positional=True)
    inner: Inner = option(Inner(), "the inner one")
    changed: Inner = option(Inner(layers=7, sizes=(1,)), "the same with other defaults")
    kind: Literal["fast", "slow"] = option("fast", "fast or slow")
    chain: str | None = option(None, "only this chain")
    quiet: bool = option(False, "say less")
    seed: int = option(0, "of what is drawn")


@dataclasses.dataclass(frozen=True)
class WithPart:
    tokenizer: object = part("tokenizer", "dssp", "the tokenizer")
    steps: int = option(10, "steps")


def flags(text: str = "", cls=Outer):
    return parse(cls, text.split(), program="plait test")


def error_of(call, *arguments, **keywords) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **keywords)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def yaml(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "run.yaml"
        path.write_text(text)
        return path

    return write


# -- values


def test_without_arguments_the_defaults_stand():
    assert flags() == Outer()


def test_nested_defaults_are_those_of_the_field_and_not_of_its_class():
    assert flags("--changed.learning_rate 0.5").changed == Inner(0.5, 7, (1,))
    assert from_dict(Outer, {"changed": {"learning_rate": 0.5}}).changed == Inner(0.5, 7, (1,))


def test_flags_set_values_at_every_depth():
    found = flags("a.pdb b.pdb --inner.learning_rate 2e-4 --inner.sizes [3,4] --kind slow --chain A --quiet --seed=5")
    assert found == Outer(
        files=("a.pdb", "b.pdb"),
        inner=Inner(2e-4, 3, (3, 4)),
        kind="slow",
        chain="A",
        quiet=True,
        seed=5,
    )


@pytest.mark.parametrize("name", ["inner.learning-rate", "inner.learning_rate"])
@pytest.mark.parametrize("joint", [" ", "="])
def test_words_of_a_flag_may_be_joined_by_either_stroke(name, joint):
    assert flags(f"--{name}{joint}0.25").inner.learning_rate == 0.25


def test_chains_that_look_like_something_else_stay_text():
    """Chain identifiers such as 1, NA and null exist."""
    for chain in ("1", "NA", "1e5", "true", "A-2"):
        assert flags(f"--chain {chain}").chain == chain
        assert from_dict(Outer, {"chain": chain}).chain == chain


def test_to_dict_and_back():
    found = flags("a --inner.sizes [3] --chain A")
    assert from_dict(Outer, to_dict(found)) == found
    assert to_dict(found)["inner"] == {"learning_rate": 1e-3, "layers": 3, "sizes": [3]}


# -- files


def test_a_file_gives_values_and_flags_override_it_wherever_they_stand(yaml):
    path = yaml("seed: 3\nkind: slow\nquiet: true\ninner:\n  learning_rate: 1e-4\n  sizes: [5]\n")
    expected = Outer(seed=9, kind="slow", quiet=True, inner=Inner(1e-4, 3, (5,)))
    assert flags(f"--config {path} --seed 9") == expected
    assert flags(f"--seed 9 --config {path}") == expected
    assert flags(f"--seed=9 --config={path}") == expected
    assert flags(f"--config {path} --no-quiet --inner.sizes [1,2]").inner == Inner(1e-4, 3, (1, 2))
    assert not flags(f"--config {path} --no_quiet").quiet


def test_an_empty_file_is_a_file_of_defaults(yaml):
    assert flags(f"--config {yaml('')}") == Outer()


def test_files_may_stand_in_the_file(yaml):
    path = yaml("files: [a.pdb, b.pdb]\n")
    assert flags(f"--config {path}").files == ("a.pdb", "b.pdb")


# -- parts


def test_a_part_brings_its_own_options_with_it(yaml):
    found = flags("", WithPart)
    assert found.tokenizer.name == "dssp"
    other = flags("--tokenizer.name 3di", WithPart)
    assert other.tokenizer.name == "3di"
    assert type(other.tokenizer.config) is not type(found.tokenizer.config)
    path = yaml("tokenizer:\n  name: 3di\nsteps: 4\n")
    assert flags(f"--config {path}", WithPart) == dataclasses.replace(other, steps=4)
    assert from_dict(WithPart, to_dict(other)) == other


def test_an_unknown_part_is_refused_with_the_closest():
    assert "3di" in error_of(flags, "--tokenizer.name 3dii", WithPart)


# -- errors


def test_an_unknown_flag_is_refused_with_the_closest():
    assert error_of(flags, "--sede 3") == "unknown option --sede. Did you mean --seed?"
    assert "--inner.layers" in error_of(flags, "--inner.layer 3")
    assert "--quiet" in error_of(flags, "--queit")
    assert "xyzzy" in error_of(flags, "--xyzzy")


def test_flags_are_not_guessed_from_their_beginning():
    error_of(flags, "--see 3")


def test_an_unknown_key_is_refused_with_its_line_and_the_closest(yaml):
    path = yaml("seed: 3\ninner:\n  # a comment\n  learning_rat: 1\n")
    assert (
        error_of(flags, f"--config {path}")
        == f"{path}, line 4: unknown key 'inner.learning_rat'. Did you mean 'inner.learning_rate'?"
    )
    assert "'inner.layers'" in error_of(from_dict, Outer, {"inner": {"layer": 3}}, file="x.json")


def test_the_line_is_that_of_the_key_and_not_of_its_namesake(yaml):
    path = yaml("inner:\n  layers: 2\nlayers: 3\n")
    assert f"{path}, line 3: unknown key 'layers'" in error_of(flags, f"--config {path}")


def test_wrong_yaml_is_refused_with_its_line(yaml):
    path = yaml("seed: 3\ninner: {learning_rate: 1\nkind: slow\n")
    assert f"{path}, line 3: not valid YAML" in error_of(flags, f"--config {path}")
    path = yaml("seed: 3\n\tkind: slow\n")
    assert f"{path}, line 2: not valid YAML" in error_of(flags, f"--config {path}")


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "just words\n", "3\n"])
def test_yaml_that_is_no_configuration_is_refused(yaml, text):
    assert "not a configuration" in error_of(flags, f"--config {yaml(text)}")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00\x01")
    assert "not valid YAML" in error_of(flags, f"--config {tmp_path / 'x.yaml'}")


def test_yaml_makes_no_objects(yaml, tmp_path):
    path = yaml(f"seed: !!python/object/apply:os.system ['touch {tmp_path / 'ran'}']\n")
    assert "not valid YAML" in error_of(flags, f"--config {path}")
    assert not (tmp_path / "ran").exists()


def test_an_absent_file_is_refused(tmp_path):
    assert "no such configuration file" in error_of(flags, f"--config {tmp_path / 'absent.yaml'}")
    assert "--config" in error_of(flags, "--config")


def test_wrong_types_are_refused_with_what_was_got_and_expected(yaml):
    text = error_of(flags, "--seed three")
    assert "'seed'" in text
    assert "got three" in text
    assert "expected int" in text
    path = yaml("kind: slow\ninner:\n  learning_rate: high\n")
    text = error_of(flags, f"--config {path}")
    assert text.startswith(f"{path}, line 3: bad value for 'inner.learning_rate'")
    assert "got high" in text
    assert "expected float" in text
    text = error_of(from_dict, Outer, {"inner": {"layers": 1.5}}, file="model.json")
    assert text.startswith("model.json")
    assert "'inner.layers'" in text


def test_a_group_that_is_given_a_value_is_refused(yaml):
    path = yaml("inner: 3\n")
    text = error_of(flags, f"--config {path}")
    assert str(path) in text
    assert "inner" in text


def test_a_choice_is_refused_with_the_choices():
    text = error_of(flags, "--kind slwo")
    assert "got slwo" in text
    assert "expected fast or slow" in text
    assert "typing" not in text


def test_a_missing_value_is_refused():
    text = error_of(flags, "--seed")
    assert "--seed" in text
    assert "expected one argument" in text or "value" in text


def test_an_argument_too_many_is_refused():
    assert "unexpected argument 'extra'" in error_of(flags, "extra", WithPart)


def test_a_required_argument_is_asked_for(yaml):
    @dataclasses.dataclass(frozen=True)
    class One:
        structure: str = option(dataclasses.MISSING, "a file", positional=True)

    assert parse(One, ["x.pdb"], program="plait test").structure == "x.pdb"
    assert "structure" in error_of(parse, One, [], program="plait test")
    path = yaml("structure: y.pdb")
    assert parse(One, ["--config", str(path)], program="plait test").structure == "y.pdb"
    assert parse(One, ["--config", str(path), "x.pdb"], program="plait test").structure == "x.pdb"


def test_help_shows_every_option_with_its_words(capsys):
    with pytest.raises(SystemExit) as caught:
        flags("--help")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for words in ("--inner.learning_rate", "peak learning rate", "--kind", "fast or slow", "files"):
        assert words in text


def test_the_module_itself_is_light():
    """jsonargparse is loaded when something is parsed, not when a dataclass is declared."""
    source = Path(configuration.__file__).read_text()
    assert "\nimport jsonargparse" not in source
    assert "\nimport yaml" not in source


def test_a_value_that_looks_like_an_option_is_left_alone():
    assert flags("--chain m.chain").chain == "m.chain"
    assert flags("m.seed --seed 3").files == ("m.seed",)


def test_an_empty_entry_of_a_mapping_stays():
    """`objective: {masked-lm: {}}` in a recipe asks for that objective with its defaults."""

    @dataclasses.dataclass(frozen=True)
    class Recipe:
        objective: dict[str, dict] = option({"a": {}}, "parts by name")

    assert from_dict(Recipe, {"objective": {"b": {}, "c": {"weight": 2.0}}}).objective == {
        "b": {},
        "c": {"weight": 2.0},
    }
