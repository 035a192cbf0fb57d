"""A copy of the program with tests/toy_method in it, and scripts that use it in processes of their own.

>>> program = program_with_toy(tmp_path / "program")
>>> python(program, tmp_path / "cache", COMMANDS, json.dumps([["list", "presets"]])).stdout
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOY = Path(__file__).parent / "toy_method"
CATALOG = Path("lgm_core") / "methods" / "catalog.py"
PARTS = ("app.py", "pages", "lgm_core", ".streamlit")

# several commands in one process: [exit code, standard output, standard error] of each
COMMANDS = """
import contextlib, io, json, sys
from lgm_core.cli.main import main
found = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as ended:
            code = ended.code or 0
    found.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(found))
"""

# the same command twice: killed, with -9, in the middle of its eighth step, then to the end
KILLED = """
import os, signal, sys
from lgm_core.cli.main import main
from lgm_core.methods.toy.step import Toy

def step_or_die(self, number):
    return os.kill(os.getpid(), signal.SIGKILL) if number == 7 else step(self, number)

child = os.fork()
if not child:
    step, Toy.step = Toy.step, step_or_die
    main(sys.argv[1:])
assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
sys.exit(main(sys.argv[1:]))
"""

STUDY = """
import json
from lgm_core.base.places import places
from lgm_core.reports.matrix import study_matrix
from lgm_core.reports.page import run_report, study_report
from lgm_core.runs.store import RunStore
store = RunStore(places().runs)
runs = store.study("demo")
found = study_matrix(runs + store.evaluations(runs[0].id))
cells = {row.label: {name: found.slot(row, name).state for name in found.columns} for row in found.rows}
print(json.dumps([cells, run_report(runs[0], store.evaluations(runs[0].id)), study_report("demo", runs)]))
"""

PAGES = """
import json, sys
from streamlit.testing.v1 import AppTest

def told(test):
    return {
        "wrong": [str(one.value) for kind in (test.exception, test.error) for one in kind],
        "bars": {bar.label: [list(map(str, bar.options)), str(bar.value)] for bar in test.get("button_group")},
        "tabs": [tab.label for tab in test.tabs], "numbers": {box.label: box.value for box in test.number_input},
        "words": [str(one.value) for kind in (test.caption, test.markdown, test.code, test.metric) for one in kind],
    }

def opened(name, **query):
    test = AppTest.from_file(sys.argv[1], default_timeout=120)
    for key, value in query.items():
        test.query_params[key] = value
    return test.switch_page(f"pages/{name}.py").run()

run, network = sys.argv[2:]
launch = opened("launch")
before = told(launch)
bar = next(bar for bar in launch.get("button_group") if bar.label == "Method")
after = told(bar.set_value("toy").run())
query = {"method": "toy", "dataset": "digits", "backbones": network, "set": "device.threads:1"}
known = told(opened("launch", **query))
pages = {name: told(opened(name, run=run)) for name in ("watch", "runs", "compare", "report")}
print(json.dumps({"before": before, "after": after, "known": known, **pages}))
"""


def program_with_toy(copy: Path) -> Path:
    """Copy the program and add the toy: a package, and its row."""
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / part, copy / part)
    shutil.copytree(TOY, copy / CATALOG.parent / "toy", ignore=shutil.ignore_patterns("__pycache__", "*.txt"))
    (copy / CATALOG).write_text(with_row((ROOT / CATALOG).read_text(), (TOY / "row.txt").read_text()))
    return copy


def with_row(catalog: str, row: str) -> str:
    """The catalogue with one row more: its imports after the others, itself before the table, its name in it."""
    imports, row = row.split("\n\n", 1)
    last = [line for line in catalog.splitlines() if line.startswith("from lgm_core.")][-1]
    for before, after in (
        (last, f"{last}\n{imports}"), ("\nMETHODS:", f"\n{row.strip()}\n\nMETHODS:"), ("_MKDT)", "_MKDT, _TOY)"),
    ):  # fmt: skip
        assert catalog.count(before) == 1, f"{before!r} is no place in the catalogue"
        catalog = catalog.replace(before, after)
    return catalog


def python(program: Path, cache: Path, script: str, *words: str, check: bool = True) -> subprocess.CompletedProcess:
    """A script in the copy, on one thread, with its results under `cache`."""
    env = os.environ | {"PYTHONPATH": str(program), "LGM_CACHE": str(cache), "LGM_WEIGHTS": "", "LGM_DATASETS": ""}
    env |= {"OMP_NUM_THREADS": "1", "COLUMNS": "300", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", script, *words], cwd=program, env=env, capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr[-3000:]
    return done
