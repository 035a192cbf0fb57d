"""The key of an evaluation: which network, trained how, tested on what, with which settings. Needs no torch.

Everything that has to know whether two evaluations are the same asks here: the name of a report's file, the column of a
matrix, what a run still has to do, what another run waits for, and which accuracies may be compared.

>>> [key.column for key in keys_of(preset("rcig_digits", evaluate_on=("conv", "mobilenet_v2")))]
['conv', 'mobilenet_v2']
>>> keys_of(preset("preview", evaluate_on=("mobilenet_v2",)))[0].file_stem
'mobilenet_v2-nearest-mean-on-scenes-...'
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lgm_core.backbones.students.student_names import student_name
from lgm_core.base.errors import ConfigError
from lgm_core.base.names import file_name, require_known
from lgm_core.base.pretrain_settings import PretrainConfig
from lgm_core.base.settings import SharedConfig
from lgm_core.evaluation.catalog import PROTOCOLS, first_protocol, usual_protocol

_TEACHER, _USUAL_TEACHER = "pretrain.teacher", PretrainConfig().teacher


@dataclass(frozen=True, kw_only=True)
class Key:
    """What tells one evaluation of a set from another.

    `fraction`: share of the labels that are used; `labels_per_class`: how many of each class instead, if not 0.
    """

    network: str
    protocol: str
    dataset: str
    fraction: float = 1.0
    labels_per_class: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def column(self) -> str:
        """Its place in a table: the network's name, and what is unusual about how it is judged."""
        words = [self.network]
        words += [self.protocol] if self.protocol != usual_protocol(self.network) else []
        words += [f"on {self.dataset}"] if transfers(self.protocol) else []
        words += [f"{100 * self.fraction:g} % of labels"] if self.fraction != 1 else []
        each = self.labels_per_class
        words += [f"{each:,} label{'s' if each > 1 else ''} per class"] if each else []
        teacher = self.settings.get(_TEACHER, _USUAL_TEACHER)
        words += [f"targets of {teacher}"] if teacher != _USUAL_TEACHER else []
        return ", ".join(words)

    @property
    def digest(self) -> str:
        """Equal for equal keys, whatever the order of their settings."""
        facts = [self.network, self.protocol, self.dataset, self.fraction, sorted(self.settings.items())]
        facts += [self.labels_per_class] if self.labels_per_class else []
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:8]

    @property
    def file_stem(self) -> str:
        """Name of the report's file, without its ending."""
        share = "" if self.fraction == 1 else f"-{100 * self.fraction:07.3f}"  # so that files are in the shares' order
        share += f"-{self.labels_per_class:05}-each" if self.labels_per_class else ""
        network, dataset = file_name(self.network)[:80], file_name(self.dataset)[:60]  # both may hold whole paths
        return f"{network}-{self.protocol}{share}-on-{dataset}-{self.digest}"

    def compared(self) -> dict[str, Any]:
        """What has to be equal in two evaluations whose accuracies are compared."""
        further = PROTOCOLS[self.protocol].further if self.protocol in PROTOCOLS else ()
        told = {name: value for name, value in self.settings.items() if name not in further}
        labels = {"labels per class": self.labels_per_class} if self.labels_per_class else {}
        return {"data set": self.dataset, "label fraction": self.fraction, **labels, **told}

    def facts(self) -> dict[str, Any]:
        """The key as a report holds it."""
        return {
            "backbone": self.network, "protocol": self.protocol, "dataset": self.dataset, "fraction": self.fraction,
            "labels_per_class": self.labels_per_class, "settings": dict(self.settings),
        }  # fmt: skip


def keys_of(config: SharedConfig) -> list[Key]:
    """The evaluations that a run asks for, in order."""
    found = []
    for network in dict.fromkeys(config.evaluate_on):
        for name in config.protocol:
            if PROTOCOLS[name].suits(network):
                found += _shares(config, key_for(config, network, name))
    return found


def asked_columns(configs: Iterable[SharedConfig]) -> list[str]:
    """The columns that runs ask for, whether or not they are there yet."""
    return list(dict.fromkeys(key.column for config in configs for key in keys_of(config)))


def _shares(config: SharedConfig, key: Key) -> list[Key]:
    """The key for each data set and number of labels that a run asks for; just itself where the protocol has none."""
    if not transfers(key.protocol):
        return [key]
    data = dict.fromkeys(config.evaluate_data or (config.dataset,))
    labels = [{"labels_per_class": count} for count in dict.fromkeys(config.labels_per_class)]
    labels += [{"fraction": share} for share in dict.fromkeys(config.label_fraction)]
    return [replace(key, dataset=name, **many) for name in data for many in labels]


def transfers(protocol: str) -> bool:
    """Does a protocol test on several data sets, with some of their labels?"""
    return protocol in PROTOCOLS and PROTOCOLS[protocol].transfers


def key_for(config: SharedConfig, network: str, protocol: str = "") -> Key:
    """The key of an evaluation in one network, with a run's settings."""
    name = protocol or first_protocol(network)
    row = PROTOCOLS[name]
    own = row.full if config.kind == "baseline" and config.baseline.choice == "full" else ()
    settings = {setting: setting_of(config, setting) for setting in row.settings + row.further + own}
    if row.networks == "student":  # a name may say more than the settings
        told = student_name(network)
        settings |= {f"scratch.{part}": getattr(told, part) for part in ("width", "depth") if getattr(told, part)}
    return Key(network=network, protocol=name, dataset=config.dataset, settings=settings)


def key_of_report(report: Mapping[str, Any], config: SharedConfig) -> Key:
    """The key of a report; an older one, which holds no settings, was made with those of its run, `config`."""
    if "settings" in report:
        return Key(
            network=report["backbone"], protocol=report["protocol"], dataset=report["dataset"],
            fraction=report["fraction"], labels_per_class=report.get("labels_per_class", 0),
            settings=report["settings"],
        )  # fmt: skip
    return key_for(config, report["backbone"])


def column_of(report: Mapping[str, Any]) -> str:
    """The column that a report belongs to."""
    network = report["backbone"]
    protocol, fraction = report.get("protocol") or first_protocol(network), report.get("fraction", 1.0)
    told = {name: value for name, value in report.get("settings", {}).items() if name == _TEACHER}
    return Key(
        network=network, protocol=protocol, dataset=report.get("dataset", ""), fraction=fraction,
        labels_per_class=report.get("labels_per_class", 0), settings=told,
    ).column  # fmt: skip


def network_of(column: str) -> str:
    """The network that a column belongs to."""
    return column.split(", ")[0]


def protocol_of(column: str) -> str:
    """The protocol that a column belongs to."""
    network, *words = column.split(", ")
    return next((word for word in words if word in PROTOCOLS), usual_protocol(network))


def check_protocols(config: SharedConfig) -> None:
    """Raise `UnknownName` or `ConfigError` for protocols that are not known, or that leave a network without any."""
    for name in config.protocol:
        require_known(name, PROTOCOLS, "protocol")
    for network in config.evaluate_on:
        if not any(PROTOCOLS[name].suits(network) for name in config.protocol):
            fitting = [name for name in PROTOCOLS if PROTOCOLS[name].suits(network)]
            raise ConfigError(
                f"{network} cannot judge by {' or '.join(config.protocol)}; name a protocol that suits it "
                f"({', '.join(fitting)}), or leave --protocol out"
            )


def setting_of(config: SharedConfig, name: str) -> Any:
    """The value of a setting by its dotted name, such as "probe.views"."""
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part)
    return value


def differing(keys: Sequence[Key]) -> list[str]:
    """The settings in which evaluations differ; [] where their accuracies can be compared."""
    found = [key.compared() for key in keys]
    names = dict.fromkeys(name for one in found for name in one)
    only_full = {name for row in PROTOCOLS.values() for name in row.full}  # other evaluations have no such setting
    told = {name: [one.get(name) for one in found if name in one or name not in only_full] for name in names}
    return [name for name in names if len(set(map(json.dumps, told[name]))) > 1]


def judged_otherwise(key: Key, made: SharedConfig) -> str:
    """How an evaluation's settings depart from those of the run that made the images, in words; "" if they do not.

    Such as ", judged with scratch.flip False".
    """
    before = key_for(made, key.network, key.protocol).compared()
    if transfers(key.protocol):  # columns tell these
        before = before | {"data set": key.dataset, "label fraction": key.fraction}
        before |= {_TEACHER: key.settings.get(_TEACHER)}
    apart = [f"{name} {value}" for name, value in key.compared().items() if value != before.get(name, value)]
    return f", judged with {', '.join(apart)}" if apart else ""


def what_is_unlike(configs: Iterable[SharedConfig], columns: Iterable[str]) -> str:
    """A sentence about columns of a table that mix what cannot be compared; "" where there are none."""
    by_column: dict[str, list[Key]] = {}
    for config in configs:
        for key in keys_of(config):
            by_column.setdefault(key.column, []).append(key)
    found = {column: names for column in columns if (names := differing(by_column.get(column, [])))}
    if not found:
        return ""
    told = "; ".join(f"{column}: {', '.join(names)}" for column, names in found.items())
    return f"Judged differently, so not comparable within a column ({told})."


def judged_by(columns: Iterable[str]) -> str:
    """What has the accuracies in these columns, such as "the nearest class mean in frozen backbones"."""
    used = set(map(protocol_of, columns)) or {usual_protocol("")}
    return " or ".join(row.words for name, row in PROTOCOLS.items() if name in used)


def spread_over(columns: Iterable[str]) -> str:
    """What a spread in these columns is over: "runs", and, where a run trains several, "the heads of one run"."""
    used = set(map(protocol_of, columns))
    many = [row.many for name, row in PROTOCOLS.items() if name in used and row.many]
    return f"runs, or over the {' or '.join(many)} of one run" if many else "runs"
