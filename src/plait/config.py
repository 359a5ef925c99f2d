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
    names = _names_in(_flatten(values))
    parser = _parser(cls, "", names, given=values)
    namespace = _checked(parser, values, lambda key: {"file": file, "place": place or None})
    return _build(cls, namespace, names)


def parse(cls: type, arguments: Sequence[str], *, program: str, description: str = "") -> Any:
    """The config that command-line arguments (and the file that `--config` names) describe.

    Flags override the file, wherever they stand. Words in a flag may be joined by `-` or `_`.

    Raises
    ------
    InputError
        For an unknown flag or key (the closest is suggested), a missing value or one of the wrong type.
    SystemExit
        After `--help`.
    """
    file, arguments = _take_config_file(arguments)
    values, lines = ({}, {}) if file is None else _read_yaml(file)
    names = _names_in(_flatten(values)) | _names_among(arguments)
    parser = _parser(cls, program, names, description=description, given=values)
    if file is not None:

        def where(key: str) -> dict:
            return {"file": file, "place": f"line {lines[key]}" if key in lines else None}

        found = _checked(parser, values, where)
        options = {action.dest for action in parser._actions}
        parser.set_defaults({name: found[name] for name in options if _is_within(name, _flatten(values))})
    return _build(cls, _parse(parser, _with_known_strokes(arguments, parser)), names)


# -- from here on: jsonargparse behind one door, so that its messages become ours


def _parse(parser, arguments: Sequence[str]):
    import argparse

    try:
        return parser.parse_args(list(arguments))
    except argparse.ArgumentError as error:
        raise _input_error(str(error), parser) from None


def _checked(parser, values: Mapping, where):
    """The namespace of a mapping; `where` gives file and place of a key for messages."""
    import argparse

    known = {action.dest for action in parser._actions}
    flat = _flatten(values)
    for key, value in flat.items():
        if key in known or any(key.startswith(name + ".") for name in known):
            continue
        members = [name for name in known if name.startswith(key + ".")]
        if not members:
            near = closest(key, known)
            raise InputError(f"unknown key {key!r}", do=f"Did you mean {near!r}?" if near else None, **where(key))
        if value is not None and value != {}:
            raise InputError(
                f"{key!r} is a group of options",
                got=value,
                expected=f"keys in it, such as {min(members)}",
                **where(key),
            )
    try:
        groups = {key for key in flat if any(name.startswith(key + ".") for name in known)}
        empty = {key for key in groups if flat[key] is None or flat[key] == {}}
        return parser.parse_object(_nested(values, empty))
    except argparse.ArgumentError as error:
        key = _key_of(str(error))
        raise _input_error(str(error), parser, **where(key)) from None


def _parser(cls: type, program: str, names: Mapping[str, str], *, description: str = "", given: Mapping):
    import jsonargparse

    parser = jsonargparse.ArgumentParser(
        prog=program,
        description=description,
        exit_on_error=False,
        default_meta=False,
        default_env=False,
        allow_abbrev=False,
    )
    if program:
        parser.add_argument("--config", metavar="FILE", help="a YAML file with any of these options")
    _add_fields(parser, cls, "", names, given=given)
    return parser


def _add_fields(parser, cls: type, prefix: str, names: Mapping[str, str], values: Mapping | None = None, given=()):
    """Options for the fields of a dataclass; `values` are other defaults than its own, `given` what a file says."""
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
        default = _default(field) if values is None or field.name not in values else values[field.name]
        if dataclasses.is_dataclass(hint):
            inner = {one.name: getattr(default, one.name) for one in dataclasses.fields(hint)}
            _add_fields(parser, hint, name + ".", names, inner)
            continue
        if isinstance(default, tuple):
            default = list(default)
        if field.metadata.get("positional"):
            many = _is_tuple(hint)
            optional = name in given or _has_default(field)
            parser.add_argument(
                field.name,
                type=str,
                nargs="*" if many else "?" if optional else None,
                help=help,
                **({"default": default or []} if many else {"default": default} if optional else {}),
            )
        elif hint is bool:
            parser.add_argument(f"--{name}", action=jsonargparse.ActionYesNo, default=default, help=help)
        else:
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


def _has_default(field: dataclasses.Field) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


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


def _names_in(flat: Mapping[str, Any]) -> dict[str, str]:
    """The names of parts that a mapping chooses: they decide which options there are."""
    return {key[:-5]: str(value) for key, value in flat.items() if key.endswith(".name")}


def _names_among(arguments: Sequence[str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for position, argument in enumerate(arguments):
        match = re.fullmatch(r"--([\w.-]+)\.name(?:=(.*))?", argument)
        if match:
            value = match[2] if match[2] is not None else (arguments[position + 1 :] or [""])[0]
            chosen[match[1].replace("-", "_")] = value
    return chosen


def _is_within(name: str, flat: Mapping[str, Any]) -> bool:
    """Whether a mapping gives a value to this option, or to a key in it."""
    return any(key == name or key.startswith(name + ".") for key in flat)


def _with_known_strokes(arguments: Sequence[str], parser) -> list[str]:
    flags = {option for action in parser._actions for option in action.option_strings}
    changed = []
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        other = "--" + flag[2:].replace("-", "_")
        meant = argument.startswith("--") and flag not in flags and other in flags
        changed.append(other + equals + value if meant else argument)
    return changed


def _take_config_file(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The file that `--config` names, and the other arguments."""
    file, others, rest = None, [], iter(arguments)
    for argument in rest:
        if argument == "--config" or argument.startswith("--config="):
            if file is not None:
                raise InputError("--config is there twice", expected="one configuration file")
            file = argument.removeprefix("--config=") if argument != "--config" else next(rest, "")
            if not file:
                raise InputError("no file after --config", expected="--config FILE")
        else:
            others.append(argument)
    return file, others


def _read_yaml(file: str) -> tuple[dict, dict[str, int]]:
    """What a YAML file holds, and the line of each key, counted from 1."""
    import yaml

    try:
        text = Path(file).read_text(encoding="utf-8")
        values = yaml.safe_load(text)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise InputError("no such configuration file", file=file, do="Check the path after --config.") from None
    except OSError as error:
        raise InputError("the configuration file cannot be read", file=file, got=error.strerror) from None
    except (yaml.YAMLError, ValueError) as error:  # a UnicodeDecodeError is a ValueError
        mark = getattr(error, "problem_mark", None)
        raise InputError(
            "not valid YAML",
            file=file,
            place=f"line {mark.line + 1}" if mark else None,
            got=getattr(error, "problem", None) or error,
        ) from None
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise InputError("not a configuration", file=file, got=type(values).__name__, expected="keys with values")
    return values, _lines(tree)


def _lines(node, prefix: str = "") -> dict[str, int]:
    import yaml

    lines = {}
    for key, value in node.value:
        lines[f"{prefix}{key.value}"] = key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            lines.update(_lines(value, f"{prefix}{key.value}."))
    return lines


def _flatten(values: Mapping, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _nested(values: Mapping, without: set[str], prefix: str = "") -> dict:
    return {
        key: _nested(value, without, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in values.items()
        if f"{prefix}{key}" not in without
    }


def _key_of(message: str) -> str:
    match = re.match(r'Parser key "([^"]+)"', message)
    return match[1] if match else ""


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
            file=file,
            place=place,
            got=value[1] if value else text,
            expected=_readable(expected[1]) if expected else None,
        )
    return InputError(message, file=file, place=place, do="See --help.")


def _readable(hint: str) -> str:
    """A type as jsonargparse prints it, in words."""
    hint = re.sub(r"<class '(\w+)'>", r"\1", hint).replace("typing.", "").replace("NoneType", "none")
    hint = re.sub(r"Literal\[(.*?)\]", lambda match: match[1].replace("'", "").replace(", ", " or "), hint)
    return re.sub(r"(?:Optional|Union)\[(.*)\]", lambda match: match[1].replace(", ", " or "), hint)
