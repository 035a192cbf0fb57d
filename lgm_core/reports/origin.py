"""What is needed to do a run again, as part of its report: commands, settings, versions, licences.

>>> origin([run])[:37]
'<section><h2>Repeat this</h2><pre>pyt'
"""

import json
from collections.abc import Sequence
from html import escape

from lgm_core.base.errors import result_or_why
from lgm_core.base.knobs import flat, to_dict, words_of
from lgm_core.config import RunConfig
from lgm_core.presets import base_of
from lgm_core.reports.card import licences
from lgm_core.reports.command import command_of_run
from lgm_core.reports.markup import section, table
from lgm_core.reports.used_weights import WEIGHTS, weights_rows
from lgm_core.runs.store import RunFolder


def origin(runs: Sequence[RunFolder]) -> str:
    """What is needed to do it again: command, settings, versions, licences."""
    shown = runs[:40]
    body = "".join(f"<pre>{escape(command_of_run(run))}</pre>" for run in shown)
    parts = section(
        "Repeat this", body if len(shown) < 4 else f"<details><summary>{len(shown)} commands</summary>{body}</details>"
    )
    config = runs[0].config()
    changed = settings(config)
    everything = json.dumps(to_dict(config), indent=1)
    body = table(["setting", "value", f"in {base_of(config).preset}"], changed) if changed else ""
    body += f"<details><summary>All settings of {escape(runs[0].id)}</summary><pre>{escape(everything)}</pre></details>"
    parts += section("Settings", body, "Changes from the preset.")
    parts += _groups(runs[0])
    parts += section("Versions", table(["package", "version"], [[k, str(v)] for k, v in runs[0].environment().items()]))
    if weights := weights_rows(runs):
        parts += section("Weights", table(list(WEIGHTS), weights))
    return parts + section(
        "Licences and sources", table(["of", "licence", "source"], licences([run.config() for run in runs]))
    )


def _groups(run: RunFolder) -> str:
    """The groups that its data set consists of, as the run keeps them; "" for another data set."""
    found, _ = result_or_why(run.collection)
    if found is None:
        return ""
    rows = [[one.name, one.images.dataset, one.images.split, str(len(one.indices))] for one in found.groups]
    words, _ = result_or_why(found.words)
    return section("Groups", table(["group", "of", "split", "images"], rows), words or "")


def settings(config: RunConfig) -> list[list[str]]:
    """Settings that depart from the run's preset: name, value, the preset's value."""
    base = flat(to_dict(base_of(config)))
    own = flat(to_dict(config))
    said = ("dataset", "backbone", "name", "kind")  # they stand above
    return [[key, words_of(own[key]), words_of(base[key])] for key in own if own[key] != base[key] and key not in said]
