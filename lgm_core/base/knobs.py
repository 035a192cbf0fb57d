"""What a knob is, and how a group of knobs is read from and written to plain values.

>>> @dataclass(frozen=True, kw_only=True)
... class SoundConfig:
...     volume: int = knob(3, "loudness", low=0, high=11)
>>> from_dict(SoundConfig, {"volume": 12})
Traceback (most recent call last):
    ...
lgm_core.base.errors.ConfigError: volume must be between 0 and 11; 12 was given
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from lgm_core.base.errors import ConfigError
from lgm_core.base.names import unknown, why_no_name


def knob(
    default: Any, help: str, *, low: int | float | None = None, high: int | float | None = None, unit: str = "",
    before: Any = dataclasses.MISSING, names: str = "", at_once: Literal["", "any time", "at first"] = "",
    aliases: Mapping[str, str] | None = None,
) -> Any:  # fmt: skip
    """A field with its help, its limits (both inclusive) and its unit.

    `names`: what a text, or each of a list, is the name of, such as "a run"; then it can be one of a folder, or is "".

    `before`: what versions without this knob did, as a value of it, where that is not the default; runs of such
    versions are read with it.

    `at_once`: when a run that failed may go on with another value, where the knob says how much is held in memory at
    once: "any time", or "at first", until something is learned. The result is the same but for rounding.

    `aliases`: further words for a choice's values, as the field has them; a config holds the value alone.
    """
    further: dict[str, Any] = {"names": names} if names else {}
    further |= {"aliases": dict(aliases)} if aliases else {}
    further |= {"at_once": at_once} if at_once else {}
    further |= {} if before is dataclasses.MISSING else {"before": before}
    return field(default=default, metadata={"help": help, "low": low, "high": high, "unit": unit} | further)


def to_dict(config: Any) -> dict[str, Any]:
    """The config as plain JSON values."""
    values = dataclasses.asdict(config)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def words_of(value: Any) -> str:
    """A plain value as text, a list as its items."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def from_dict(cls: type, values: Mapping[str, Any], path: str = "") -> Any:
    """Build `cls` from nested values. Missing keys take the default; unknown ones are errors with a suggestion."""
    hints, fields = _hints(cls), {f.name: f for f in dataclasses.fields(cls)}
    built = {}
    for key, value in values.items():
        if key not in fields:
            raise ConfigError(unknown(key, fields, f"setting of {path or 'the run'}"))
        name = f"{path}.{key}" if path else key
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{name} is a group of settings, {value!r} was given")
            built[key] = from_dict(hint, value, name)  # type: ignore[arg-type]
        else:
            built[key] = _checked(name, hint, fields[key].metadata, value)
    return cls(**built)


def read_dict(cls: type, values: Mapping[str, Any], path: str = "") -> tuple[Any, dict[str, str]]:
    """Build `cls` from nested values of any version: never raises, but tells what it could not take over.

    Returns the config and notes, a sentence by the setting's name. A setting that this version does not know is left
    out; one whose value it does not accept takes the default; one that is missing takes the knob's `before`.
    """
    hints, fields = _hints(cls), {f.name: f for f in dataclasses.fields(cls)}
    names = {key: f"{path}.{key}" if path else key for key in [*values, *fields]}
    notes = {
        names[key]: f"{names[key]} = {_shortly(value)} is not a setting of this version: ignored"
        for key, value in values.items()
        if key not in fields
    }
    built = {}
    for key, one in fields.items():
        built[key], found = _read(names[key], hints[key], one, values)
        notes |= found
    return cls(**built), notes


def _read(name: str, hint: Any, one: dataclasses.Field, values: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
    given = values.get(one.name, {})
    if dataclasses.is_dataclass(hint) and isinstance(given, Mapping):
        return read_dict(hint, given, name)  # type: ignore[arg-type]
    if dataclasses.is_dataclass(hint):
        note = f"{name} is a group of settings, {_shortly(given)} was given: using the defaults"
        return read_dict(hint, {}, name)[0], {name: note}  # type: ignore[arg-type]
    if one.name not in values:
        return one.metadata.get("before", one.default), {}
    try:
        return _checked(name, hint, one.metadata, given), {}
    except (ConfigError, OverflowError) as error:
        return one.default, {name: f"{error}: using {one.default!r}"}


def _shortly(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _checked(name: str, hint: Any, metadata: Mapping[str, Any], value: Any) -> Any:
    if get_origin(hint) is Literal:
        value = metadata.get("aliases", {}).get(value, value) if isinstance(value, str) else value
        if value not in get_args(hint):
            raise ConfigError(f"{name} must be one of {', '.join(get_args(hint))}; {value!r} was given")
        return value
    if get_origin(hint) is tuple:
        item = get_args(hint)[0]
        if not isinstance(value, list | tuple) or (item is str and not all(isinstance(v, str) for v in value)):
            raise ConfigError(f"{name} must be a list of {_NOUNS[item]}; {value!r} was given")
        return tuple(_checked(name, item, metadata, one) for one in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{name} must be {_NOUN[hint]}; {value!r} was given")
    if isinstance(value, str):
        _require_name(name, metadata, value)
    if limits := limits_missed(metadata, value):
        raise ConfigError(f"{name} must be {limits}; {value} was given")
    return value


def _require_name(setting: str, metadata: Mapping[str, Any], value: str) -> None:
    """Raise `ConfigError` where the setting holds names of runs or studies, and the value cannot be one."""
    if value and metadata.get("names") and (why := why_no_name(value)):
        raise ConfigError(
            f"{setting} is the name of {metadata['names']}, and that of a folder: {_shortly(value)} {why}"
        )


def limits_missed(metadata: Mapping[str, Any], value: Any) -> str:
    """The limits of a knob that a value is outside of, such as "between 1 and 10 px"; "" where it is inside."""
    low, high = metadata.get("low"), metadata.get("high")
    if not (low is not None and not value >= low or high is not None and not value <= high):
        return ""
    unit = f" {metadata['unit']}" if metadata.get("unit") else ""
    return f"{f'at least {low}' if high is None else f'between {low} and {high}'}{unit}"


_NOUNS = {str: "names", float: "numbers", int: "whole numbers"}
_NOUN = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
