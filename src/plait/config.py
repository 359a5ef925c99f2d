"""Configuration from one source: a dataclass with documented fields becomes flags, `--help` and `--config FILE`.

A field is documented by `option(default, "what it is")`. A field made by `part(kind, default)` names a registered part
(an encoder, an objective, ...); its own configuration stands beside the name: `--encoder.name prosst
--encoder.hidden_size 256`, or in YAML `encoder: {name: prosst, hidden_size: 256}`.
"""

import dataclasses
import re
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plait.errors import InputError, closest


def option(default: Any, help: str, *, positional: bool = False) -> Any:
    """A documented field of a config dataclass."""
    metadata = {"help": help, "positional": positional}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    if isinstance(default, list | dict) or dataclasses.is_dataclass(default):
        return dataclasses.field(default_factory=lambda: default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Part:
    """A registered part and its configuration."""

    name: str
    config: Any

    def to_dict(self) -> dict:
        return {"name": self.name, **to_dict(self.config)}


def part(kind: str, default: str, help: str, **values) -> Any:
    """A field that names a registered part of this kind; `values` are changed defaults of the part's config."""

    def make():
        from plait.registry import get

        return Part(default, get(kind, default).Config(**values))

    return dataclasses.field(
        default_factory=make, metadata={"help": help, "part": kind, "default": default, "values": values}
    )


def to_dict(config: Any) -> Any:
    """A config as plain dicts, lists and scalars, for YAML or JSON."""
    if isinstance(config, Part):
        return config.to_dict()
    if dataclasses.is_dataclass(config):
        return {field.name: to_dict(getattr(config, field.name)) for field in dataclasses.fields(config)}
    if isinstance(config, Path):
        return str(config)
    if isinstance(config, Mapping):
        return {str(key): to_dict(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [to_dict(value) for value in config]
    return config


def from_dict(cls: type, values: Mapping, *, file=None, place: str = "") -> Any:
    """A config dataclass from a mapping; unknown keys and values of the wrong type are refused.

    Raises
    ------
    InputError
    """
    flat = _flatten(values)
    names = _names_in(flat)
    parser = _parser(cls, "", names)
    known = {action.dest for action in parser._actions}
    for key in flat:
        if not _is_known(key, known):
            raise _unknown_key(key, known, file=file, place=place or None)
    return _parse(parser, cls, names, values, file=file, place=place or None)


def parse(cls: type, arguments: Sequence[str], *, program: str, description: str = "") -> Any:
    """The config that command-line arguments (and the file that `--config` names) describe.

    Raises
    ------
    InputError
        For an unknown flag or key (the closest is suggested), a missing value or one of the wrong type.
    SystemExit
        After `--help`.
    """
    names = _part_names(cls, arguments)
    parser = _parser(cls, program, names, description=description)
    file = _config_file(arguments)
    if file is not None:
        _check_config_file(file, parser)
    return _parse(parser, cls, names, list(arguments), file=file)


# -- from here on: jsonargparse behind one door, so that its messages become ours


def _parse(parser, cls, names, source, *, file=None, place=None):
    import argparse

    try:
        if isinstance(source, Mapping):
            namespace = parser.parse_object(_nested(source))
        else:
            namespace = parser.parse_args(source)
    except argparse.ArgumentError as error:
        raise _input_error(str(error), parser, file=file, place=place) from None
    return _build(cls, namespace, names)


def _parser(cls: type, program: str, names: Mapping[str, str], *, description: str = ""):
    import jsonargparse

    parser = jsonargparse.ArgumentParser(
        prog=program, description=description, exit_on_error=False, default_meta=False, default_env=False
    )
    parser.add_argument("--config", action="config", help="a YAML file with any of the options below")
    _add_fields(parser, cls, "", names)
    return parser


def _add_fields(parser, cls: type, prefix: str, names: Mapping[str, str], values: Mapping | None = None) -> None:
    import jsonargparse

    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        name, help = prefix + field.name, field.metadata.get("help", "")
        if "part" in field.metadata:
            from plait.registry import get

            kind = field.metadata["part"]
            chosen = names.get(name, field.metadata["default"])
            parser.add_argument(f"--{name}.name", type=str, default=chosen, help=help)
            changed = field.metadata["values"] if chosen == field.metadata["default"] else {}
            _add_fields(parser, get(kind, chosen).Config, name + ".", names, changed)
            continue
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            _add_fields(parser, hint, name + ".", names)
            continue
        default = _default(field) if values is None or field.name not in values else values[field.name]
        if field.metadata.get("positional"):
            many = typing.get_origin(hint) in (tuple, list)
            parser.add_argument(field.name, type=str, nargs="*" if many else None, help=help)
        elif hint is bool:
            parser.add_argument(f"--{name}", action=jsonargparse.ActionYesNo, default=default, help=help)
        else:
            if isinstance(default, tuple):
                default = list(default)
            parser.add_argument(f"--{name}", type=_accepted(hint), default=default, help=help)


def _accepted(hint):
    """The type that the parser checks: lists stand for tuples, which YAML does not know."""
    if typing.get_origin(hint) is tuple:
        return list[typing.get_args(hint)[0]]
    return hint


def _default(field: dataclasses.Field) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None


def _build(cls: type, namespace, names: Mapping[str, str], prefix: str = "") -> Any:
    from plait.registry import get

    hints = typing.get_type_hints(cls)
    values = {}
    for field in dataclasses.fields(cls):
        name = prefix + field.name
        if "part" in field.metadata:
            chosen = namespace[f"{name}.name"]
            config = get(field.metadata["part"], chosen).Config
            values[field.name] = Part(chosen, _build(config, namespace, names, name + "."))
        elif dataclasses.is_dataclass(hints[field.name]):
            values[field.name] = _build(hints[field.name], namespace, names, name + ".")
        else:
            value = namespace[name]
            values[field.name] = tuple(value) if isinstance(value, list) and _is_tuple(hints[field.name]) else value
    return cls(**values)


def _is_tuple(hint) -> bool:
    return typing.get_origin(hint) is tuple or any(map(_is_tuple, typing.get_args(hint)))


def _part_names(cls: type, arguments: Sequence[str]) -> dict[str, str]:
    """The names of parts that the arguments or the config file choose: they decide which flags there are."""
    chosen: dict[str, str] = {}
    file = _config_file(arguments)
    if file is not None:
        chosen.update(_names_in(_flatten(_read_yaml(file))))
    for position, argument in enumerate(arguments):
        match = re.fullmatch(r"--([\w.]+)\.name(?:=(.*))?", argument)
        if match:
            value = match[2] if match[2] is not None else (arguments[position + 1 :] or [""])[0]
            chosen[match[1]] = value
    return chosen


def _names_in(flat: Mapping[str, Any]) -> dict[str, str]:
    return {key[:-5]: str(value) for key, value in flat.items() if key.endswith(".name")}


def _is_known(key: str, known) -> bool:
    """Whether a key is an option, or inside one that holds a mapping, or stands for an empty group."""
    return any(key == name or key.startswith(name + ".") or name.startswith(key + ".") for name in known)


def _config_file(arguments: Sequence[str]) -> str | None:
    for position, argument in enumerate(arguments):
        if argument.startswith("--config="):
            return argument.removeprefix("--config=")
        if argument == "--config" and position + 1 < len(arguments):
            return arguments[position + 1]
    return None


def _read_yaml(file: str) -> dict:
    import yaml

    path = Path(file)
    if not path.is_file():
        raise InputError("no such configuration file", file=file, do="Check the path after --config.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise InputError(
            "not valid YAML",
            file=file,
            place=f"line {mark.line + 1}" if mark else None,
            got=getattr(error, "problem", str(error)),
        ) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError("not a configuration", file=file, got=type(values).__name__, expected="keys with values")
    return values


def _check_config_file(file: str, parser) -> None:
    known = {action.dest for action in parser._actions}
    for key in _flatten(_read_yaml(file)):
        if not _is_known(key, known):
            line = next(
                (
                    number
                    for number, text in enumerate(Path(file).read_text(encoding="utf-8").splitlines(), 1)
                    if text.strip().startswith(key.rsplit(".", 1)[-1] + ":")
                ),
                None,
            )
            raise _unknown_key(key, known, file=file, place=f"line {line}" if line else None)


def _unknown_key(key: str, known, **where) -> InputError:
    near = closest(key, known)
    return InputError(f"unknown key {key!r}", do=f"Did you mean {near!r}?" if near else None, **where)


def _flatten(values: Mapping, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _nested(values: Mapping) -> dict:
    return {key: _nested(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def _input_error(message: str, parser, *, file=None, place=None) -> InputError:
    message = " ".join(message.split())
    flags = [option for action in parser._actions for option in action.option_strings]
    match = re.match(r"[Uu]nrecognized arguments: (\S+)", message)
    if match:
        given = match[1].split("=")[0]
        near = closest(given, flags) if given.startswith("-") else None
        what = f"unknown option {given}" if given.startswith("-") else f"unexpected argument {given!r}"
        return InputError(what, do=f"Did you mean {near}?" if near else "See --help.")
    match = re.match(r'Parser key "([^"]+)":\s*(.*)', message)
    if match:
        key, text = match[1], match[2]
        value = re.search(r"Got value: (.*)$", text)
        expected = re.search(r"Expected an? (.*?)\. Got", text)
        return InputError(
            f"bad value for {key!r}",
            file=file if file and "." in str(file) and _in_file(key, file) else None,
            place=place,
            got=value[1] if value else text,
            expected=re.sub(r"<class '(\w+)'>", r"\1", expected[1]) if expected else None,
        )
    return InputError(message, file=None, place=place, do="See --help.")


def _in_file(key: str, file) -> bool:
    try:
        return key in _flatten(_read_yaml(str(file)))
    except InputError:
        return False
