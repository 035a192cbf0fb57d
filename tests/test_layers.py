"""The architecture, guarded: a line a room. Imports point down, torch stays where tensors are, files stay small."""

import ast
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(p for p in (ROOT / "lgm_core").rglob("*.py"))
OTHERS = sorted((ROOT / "tests").rglob("*.py")) + sorted((ROOT / "docs").rglob("*.py"))
PAGES = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]

# room or file below lgm_core (the longest match counts) -> layer, then "torch" where it may be loaded on import
ROOMS: dict[str, tuple[int, str]] = {
    "base": (0, ""),
    "base.device": (0, "torch"),
    "base.interfaces": (0, "torch"),
    "base.ranks": (0, "torch"),
    "base.rank_sums": (0, "torch"),
    "base.tensor_files": (0, "torch"),
    "config": (1, ""),
    "presets": (1, ""),
    "methods.catalog": (1, ""),
    "methods.*.config": (1, ""),
    "methods.*.presets": (1, ""),
    "methods.lgm.lgm_settings": (1, ""),
    "evaluation.catalog": (1, ""),
    "analysis.catalog": (1, ""),
    "evaluation.protocol": (1, ""),
    "backbones.catalog": (1, ""),
    "backbones.row": (1, ""),
    "backbones.points": (1, ""),
    "backbones.small_rows": (1, ""),
    "backbones.classifier_rows": (1, ""),
    "backbones.open_rows": (1, ""),
    "backbones.students.student_names": (1, ""),
    "datasets.catalog": (1, ""),
    "datasets.dataset_row": (1, ""),
    "datasets.groups": (1, ""),
    "datasets.group_files": (1, ""),
    "datasets": (2, "torch"),
    "backbones": (2, "torch"),
    "runs": (3, ""),
    "runs.checkpoints": (3, "torch"),
    "runs.recorder": (3, "torch"),
    "runs.source_runs": (3, "torch"),
    "methods": (4, "torch"),
    "methods.*.estimate": (4, ""),
    **dict.fromkeys(("methods.lgm.levels", "methods.lgm.natural_colour"), (4, "")),
    "methods.mkdt.told": (4, ""),
    **dict.fromkeys(("methods.rcig.learned", "methods.rcig.published"), (4, "")),
    "evaluation": (4, "torch"),
    "analysis": (4, "torch"),
    "reports": (5, ""),
    "workbench": (5, "torch"),
    "jobs": (6, ""),
    "jobs.following": (6, "torch"),
    "engine": (6, "torch"),
    "cli": (7, "torch"),
    "cli.listing": (7, ""),
    "api": (7, "torch"),
    "__main__": (7, "torch"),
}
SIBLINGS = {("backbones", "datasets"), ("analysis", "evaluation")}  # of one layer: the first may import the second
MOST_ENTRIES = 15  # of lgm_core, besides __init__.py and __main__.py
CONTRACT = {"__init__", "catalog", "config", "presets", "assembly", "step", "estimate", "measure"}
ALLOWED_LONG_FILES: dict[str, str] = {}
ALLOWED_LONG_FUNCTIONS: dict[str, str] = {}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "lgm_core").with_suffix("").parts)


def line_of(module: str) -> tuple[int, str]:
    """The line of the table that a dotted module name below lgm_core falls under."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        exact, anyone = ".".join(parts[:end]), ".".join([parts[0], "*", *parts[2:end]])
        for name in (exact, anyone) if end > 2 else (exact,):
            if name in ROOMS:
                return ROOMS[name]
    raise AssertionError(f"{module} is in no room: add it to ROOMS")


def room_of(module: str) -> str:
    """The room, or the method's package, that a module belongs to."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "methods" else parts[0]


def imports(path: Path, top_level: bool = False) -> set[str]:
    """Dotted names that a file imports; `top_level`: without those inside functions."""
    tree = ast.parse(path.read_text())
    nodes = ast.iter_child_nodes(tree) if top_level else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def own_imports(path: Path, top_level: bool = False) -> set[str]:
    """The modules of lgm_core that a file imports, dotted, below it."""
    found = {name for name in imports(path, top_level) if name.startswith("lgm_core.")}
    return {
        name.removeprefix("lgm_core.") for name in found if (ROOT / Path(*name.split("."))).with_suffix(".py").exists()
    }


@pytest.mark.parametrize("path", [p for p in FILES if p.name != "__init__.py"], ids=name_of)
def test_imports_point_down(path: Path):
    own = name_of(path)
    above = set()
    for target in own_imports(path):
        mine, theirs = line_of(own)[0], line_of(target)[0]
        rooms = room_of(own), room_of(target)
        beside = mine == theirs and rooms[0] != rooms[1] and rooms not in SIBLINGS
        if theirs > mine or (beside and mine in (2, 4)):
            above.add((own, target))
    assert not above


def test_no_circle():
    order = TopologicalSorter({name_of(path): own_imports(path, top_level=True) for path in FILES})
    order.prepare()  # raises CycleError, which names the circle


def test_the_house_has_few_rooms_and_no_name_twice():
    core = ROOT / "lgm_core"
    entries = [p.name for p in core.iterdir() if p.suffix == ".py" or (p.is_dir() and any(p.rglob("*.py")))]
    entries = sorted(set(entries) - {"__init__.py", "__main__.py"})
    assert len(entries) <= MOST_ENTRIES, entries
    twice = [stem for stem, count in Counter(p.stem for p in FILES).items() if count > 1]
    assert set(twice) <= CONTRACT, twice


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py" and p.parent.name != "lgm_core"], ids=str)
def test_rooms_list_their_files_and_import_nothing(path: Path):
    text = path.read_text()
    assert not imports(path)
    for file in path.parent.glob("*.py"):
        if file.name != "__init__.py":
            assert file.stem in text, f"{path.parent.name}/__init__.py does not mention {file.name}"


@pytest.mark.parametrize("path", [p for p in PAGES if p.name == "__init__.py"], ids=lambda p: p.parent.name)
def test_rooms_of_pages_list_their_files(path: Path):
    text = path.read_text()
    for file in path.parent.glob("*.py"):
        assert file.stem == "__init__" or file.stem in text, f"{path.parent.name} does not mention {file.name}"


def test_what_needs_no_torch_loads_neither_torch_nor_streamlit():
    modules = [name_of(p) for p in FILES if p.name not in ("__init__.py", "__main__.py")]
    wanted = ["lgm_core", *(f"lgm_core.{m}" for m in modules if not line_of(m)[1])]
    script = "import sys, importlib\nfor name in ('torch', 'streamlit', 'timm'): sys.modules[name] = None\n"
    script += "\n".join(f"importlib.import_module({name!r})" for name in wanted)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]


def test_the_engine_needs_no_streamlit():
    for path in FILES:
        assert not {name for name in imports(path) if name.split(".")[0] in ("streamlit", "plotly")}, path


@pytest.mark.parametrize("path", PAGES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_pages_import_what_needs_no_torch(path: Path):
    for target in imports(path):
        assert target.split(".")[0] not in ("torch", "timm", "torchvision", "open_clip"), (
            f"{path.name} imports {target}"
        )
    for target in own_imports(path):
        assert not line_of(target)[1], f"{path.name} imports {target}"


@pytest.mark.parametrize("path", [*FILES, *PAGES, *OTHERS], ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_files_and_functions_stay_small(path: Path):
    text = path.read_text()
    relative = str(path.relative_to(ROOT))
    assert len(text.splitlines()) <= 250 or relative in ALLOWED_LONG_FILES, f"{relative} is longer than 250 lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            name = f"{relative}:{node.name}"
            assert length <= 60 or name in ALLOWED_LONG_FUNCTIONS, f"{name} has {length} lines"


def about_methods(node: ast.expr) -> bool:
    """Is this something called `method`: a name, an attribute, what lies under that key?"""
    match node:
        case ast.Name("method") | ast.Attribute(attr="method") | ast.Subscript(slice=ast.Constant("method")):
            return True
        case ast.Call(ast.Attribute(attr="get"), [ast.Constant("method"), *_]):
            return True
    return False


def has_text(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Constant) and isinstance(inner.value, str) for inner in ast.walk(node))


def asks_for_a_method(node: ast.AST) -> bool:
    """Does this compare a method with a name that is written out: ==, !=, in, not in, match?"""
    if isinstance(node, ast.Match):
        return about_methods(node.subject) and any(has_text(case.pattern) for case in node.cases)
    if not isinstance(node, ast.Compare):
        return False
    sides, pairs = [node.left, *node.comparators], []
    for left, right in zip(sides, sides[1:], strict=False):
        both = isinstance(left, ast.Tuple) and isinstance(right, ast.Tuple) and len(left.elts) == len(right.elts)
        pairs += zip(left.elts, right.elts, strict=True) if both else [(left, right)]
    return any(about_methods(a) and not about_methods(b) and has_text(b) for x, y in pairs for a, b in ((x, y), (y, x)))


@pytest.mark.parametrize(
    "path",
    [p for p in [*FILES, *PAGES] if not p.is_relative_to(ROOT / "lgm_core" / "methods")],
    ids=lambda p: f"{p.parent.name}-{p.stem}",
)
def test_nobody_asks_for_the_name_of_a_method(path: Path):
    """What differs from method to method is in its row, methods/catalog.py."""
    found = [node.lineno for node in ast.walk(ast.parse(path.read_text())) if asks_for_a_method(node)]
    assert not found, f"{path.relative_to(ROOT)} asks for a method by name in lines {found}: ask its row"


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("config.method == 'lgm'", True), ("'rcig' != method", True), ("method in ('lgm', 'rcig')", True),
        ("run['method'] not in {'lgm'}", True), ("x.get('method', 'lgm') == 'lgm'", True),
        ("(a.kind, a.method) == ('distill', 'lgm')", True), ("match a.method:\n case 'lgm' | 'rcig': pass", True),
        ("(a.kind, a.method) == ('distill', b.method)", False), ("method in METHODS", False),
        ("a.method != b.get('method')", False), ("method.networks == 'frozen'", False),
    ],
)  # fmt: skip
def test_a_question_for_the_name_of_a_method_is_seen(text: str, asks: bool):
    assert any(map(asks_for_a_method, ast.walk(ast.parse(text)))) == asks


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_module_says_what_it_is(path: Path):
    assert ast.get_docstring(ast.parse(path.read_text())), path
