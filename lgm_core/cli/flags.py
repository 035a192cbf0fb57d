"""Command-line flags, made from the config's own fields: help, limits and units are written once, there.

>>> words = ["scenes", "mobilenet_v2", "--steps", "250", "--lgm.views", "10"]
>>> config = parse_config(words, prog="lgm distill", positional=("dataset", "backbone"))
>>> config.dataset, config.steps, config.lgm.views
('scenes', 250, 10)
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_type_hints

import tyro

from lgm_core.base.errors import ConfigError, UserError
from lgm_core.base.knobs import to_dict
from lgm_core.config import RENAMED, TWO_WIDTHS, WHY_NOT_BOTH, RunConfig, full_name, given_config, validate
from lgm_core.jobs.effort import effort_changes, efforts_of
from lgm_core.jobs.sending import ClusterFlags
from lgm_core.methods.catalog import METHODS, groups_of_methods, settings_read
from lgm_core.presets import PRESETS, change, preset

_NOT_FLAGS = {"kind", "preset"}
_OF_STUDIES = {"study", "variant"}  # what a study sets for its runs itself
_NETWORKS = ("distil_with", "backbones")  # flags beyond a run's config that name networks
_EFFORTS = tuple(name for row in METHODS.values() for name in efforts_of(row))
_RENAMED = re.compile(r"^--(rcig)\.(no-)?(resolution|width|depth|transform|flip)(?==|$)")  # a group's former name
_NEGATION = re.compile(r"^--no-((?:[\w-]+\.)+)([\w-]+)$")  # --no-augment.flip, which tyro calls --augment.no-flip


def parse_config(arguments: Sequence[str], *, prog: str, positional: Sequence[str], **fixed: Any) -> RunConfig:
    """The config of a command line: a preset (`--preset`, default "standard"), positional values, flags over it."""
    return parse_with(arguments, prog=prog, positional=positional, extra=None, **fixed)[0]


def parse_with(
    arguments: Sequence[str], *, prog: str, positional: Sequence[str], extra: Any, **fixed: Any
) -> tuple[RunConfig, dict[str, Any]]:
    """As `parse_config`, and also the values of flags made from the dataclass instance `extra`, by name."""
    words = _words(arguments)
    chosen, rest = _take("preset", words, PRESETS)
    effort, rest = _take("effort", rest, _EFFORTS)
    base = preset(chosen or "standard", **fixed)
    values, helps = to_dict(base), bool({"-h", "--help"} & set(rest))
    if "dataset" in positional and not helps and "dataset" not in {**fixed, **PRESETS[base.preset]}:
        values["dataset"] = ""  # no work begins on data that nobody has named
    shown = f"Presets (--preset NAME): {', '.join(PRESETS)}; "
    shown += f"or settings by rules (--effort {', '.join(_EFFORTS)}); shown defaults are those of {base.preset!r}."
    if effort and chosen:
        raise ConfigError(f"--effort {effort} and --preset {chosen} both say where to start from: give one of them")
    if effort and not helps:
        asked, own = _parse(rest, prog, positional, extra, values, shown)
        changed = change(base, effort_changes(asked, effort, own.get("distil_with", ())))
        values = to_dict(changed) | {"dataset": values["dataset"]}
    return _parse(rest, prog, positional, extra, values, shown)


def parse_run(arguments: Sequence[str], *, prog: str, positional: Sequence[str], **fixed: Any) -> tuple[RunConfig, str]:
    """As `parse_config`, for verbs that make runs: also the cluster these are sent to (`--cluster`), "" for none."""
    config, own = parse_with(arguments, prog=prog, positional=positional, extra=ClusterFlags(), **fixed)
    return config, own["cluster"]


def parse_changes(arguments: Sequence[str], *, prog: str, base: RunConfig, words: str = "") -> tuple[RunConfig, str]:
    """A config with flags over it, such as that of a run which is forked, and the cluster as `parse_run` gives it.

    `words`: what `--help` says of the verb. Limits are checked, combinations not yet.
    """
    values = to_dict(base)
    flags, given = _flag_class(RunConfig, (), ClusterFlags), _words(arguments)
    shown = _instance(flags, values | dataclasses.asdict(ClusterFlags()))
    parsed = tyro.cli(flags, args=given, prog=prog, description=words, default=shown)
    changed = dataclasses.asdict(parsed)
    cluster = changed.pop("cluster")
    config = given_config({**values, **changed})
    _refuse_foreign(given, config)
    return config, cluster


def _parse(
    arguments: Sequence[str], prog: str, positional: Sequence[str], extra: Any, values: dict[str, Any], description: str
) -> tuple[RunConfig, dict[str, Any]]:
    flags = _flag_class(RunConfig, tuple(positional), type(extra) if extra else None)
    more = dataclasses.asdict(extra) if extra else {}
    parsed = tyro.cli(
        flags, args=list(arguments), prog=prog, description=description, default=_instance(flags, values | more)
    )
    changed = dataclasses.asdict(parsed)
    if not changed["dataset"]:
        words = " ".join("NETWORK [...]" if name == "evaluate_on" else name.upper() for name in positional)
        raise ConfigError(f"which data set? {prog} {words} (`lgm list datasets`), or a --preset that names one")
    own = {name: changed.pop(name) for name in more}
    own |= {name: tuple(map(full_name, own[name])) for name in _NETWORKS if name in own}
    config = given_config({**values, **changed})
    if not own.get("distil_with"):  # the runs of a study are checked one by one, with their own networks
        config = validate(config)
    _refuse_foreign(arguments, config)
    return config, own


def _refuse_foreign(arguments: Sequence[str], config: RunConfig) -> None:
    """Raise `ConfigError` for a flag that would change nothing."""
    if config.kind != "distill":
        return
    own = settings_read(config)
    idle = [word for word in arguments for group in groups_of_methods() if word.startswith(f"--{group}.")]
    idle = [word for word in idle if word[2:].split(".")[0] not in own]
    if idle:
        group = idle[0][2:].split(".")[0]
        owner = next(row for row in METHODS.values() if group in get_type_hints(row.settings))
        raise ConfigError(
            f"{idle[0].split('=')[0]} belongs to {owner.title} and has no effect on {config.method}: leave it out; "
            f"{config.method}'s own settings begin with --{' and --'.join(sorted(own))}"
        )


def as_typed(text: str, arguments: Sequence[str]) -> str:
    """A sentence with its settings spelt as the flags that were given: --lgm.learning-rate for lgm.learning_rate."""
    for flag in {word.split("=")[0] for word in arguments if word.startswith("--")}:
        name = flag.removeprefix("--").replace("-", "_")
        if "." in name or "_" in name:
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w.])", flag, text)
    return text


def _words(arguments: Sequence[str]) -> list[str]:
    """The arguments, with negations as tyro writes them and settings under their present names."""
    words = [_RENAMED.sub(_today, _NEGATION.sub(r"--\1no-\2", word)) for word in arguments]
    if {f"--{name}" for name in TWO_WIDTHS} <= {word.split("=")[0] for word in arguments}:
        raise ConfigError(WHY_NOT_BOTH)
    return words


def _today(found: re.Match[str]) -> str:
    group, name = RENAMED[f"{found[1]}.{found[3]}"].split(".")
    return f"--{group}.{found[2] or ''}{name}"


def _take(name: str, arguments: list[str], known: Iterable[str]) -> tuple[str, list[str]]:
    """The value of a flag that says where the others start from, "" without it, and the arguments without the flag."""
    for index, word in enumerate(arguments):
        if word == f"--{name}":
            if index + 1 == len(arguments):
                raise UserError(f"--{name} needs a name: {', '.join(known)}")
            return arguments[index + 1], arguments[:index] + arguments[index + 2 :]
        if word.startswith(f"--{name}="):
            return word.removeprefix(f"--{name}="), arguments[:index] + arguments[index + 1 :]
    return "", arguments


@cache
def _flag_class(cls: type, positional: tuple[str, ...] = (), extra: type | None = None) -> type:
    """The dataclass that tyro reads: the same fields, with help and limits as annotations."""
    hints = get_type_hints(cls) | (get_type_hints(extra) if extra else {})
    fields = []
    own = sorted(dataclasses.fields(cls), key=lambda f: positional.index(f.name) if f.name in positional else 99)
    for field in (*own, *(dataclasses.fields(extra) if extra else ())):
        if cls is RunConfig and field.name in _NOT_FLAGS:
            continue
        hint = hints[field.name]
        if cls is RunConfig and "name" in positional and field.name in _OF_STUDIES:
            fields.append((field.name, tyro.conf.Suppress[hint], dataclasses.field()))  # type: ignore[misc]
            continue
        if dataclasses.is_dataclass(hint):
            fields.append((field.name, _flag_class(hint), dataclasses.field()))  # type: ignore[arg-type]
            continue
        if aliases := field.metadata.get("aliases"):
            hint = Literal[(*get_args(hint), *aliases)]  # type: ignore[valid-type]
        marks: list[Any] = [tyro.conf.arg(help=_help(field.metadata))]
        if field.name in positional:
            marks.append(tyro.conf.Positional)
        fields.append((field.name, Annotated[(hint, *marks)], dataclasses.field()))  # type: ignore[misc]
    made = dataclasses.make_dataclass(cls.__name__, fields, frozen=True, kw_only=True)
    made.__doc__ = cls.__doc__
    return made


def _instance(cls: type, values: dict[str, Any]) -> Any:
    built = {}
    for field in dataclasses.fields(cls):
        value = values[field.name]
        built[field.name] = _instance(field.type, value) if isinstance(value, dict) else value  # type: ignore[arg-type]
        if isinstance(value, list):
            built[field.name] = tuple(value)
    return cls(**built)


def _help(metadata: Any) -> str:
    limits = [f"at least {metadata['low']}"] if metadata.get("low") is not None else []
    if metadata.get("high") is not None:
        limits = [f"{metadata['low']} to {metadata['high']}"] if limits else [f"at most {metadata['high']}"]
    inside = ", ".join([*limits, *([metadata["unit"]] if metadata.get("unit") else [])])
    return metadata["help"] + (f" [{inside}]" if inside else "")
