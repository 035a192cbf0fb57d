"""The architecture, guarded: imports point down, layer 0 needs no torch, files and functions stay small."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(p for p in (ROOT / "lgm_core").rglob("*.py"))
OTHERS = sorted((ROOT / "tests").glob("*.py")) + sorted((ROOT / "docs").rglob("*.py"))
PAGES = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]

# module below lgm_core -> layer; a room's __init__ and catalogue are layer 0
LAYERS = {
    0: "config config_rcig knobs errors registry places presets presets_rcig published download study "
    "backbones.catalog backbones.row backbones.student_names datasets.catalog runs listing jobs",
    1: "interfaces device crop runs.recorder",
    2: "datasets backbones synthetic transforms augment augment_one",
    3: "features gradients whitened precision fitting",
    4: "distillers baselines probe scratch analysis",
    5: "workbench assembly assembly_rcig calibration_rcig student_bench scratch_report "
    "evaluation sources thumbnails mapping embedding comparison calibration engine",
    6: "cli verbs worker flags console api literal bench __main__",
}
ALLOWED_LONG_FILES: dict[str, str] = {}
ALLOWED_LONG_FUNCTIONS: dict[str, str] = {}


def layer(module: str) -> int:
    """Layer of a dotted module name below lgm_core; the longest match counts."""
    table = {name: number for number, names in LAYERS.items() for name in names.split()}
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        if ".".join(parts[:end]) in table:
            return table[".".join(parts[:end])]
    raise AssertionError(f"{module} has no layer: add it to LAYERS")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "lgm_core").with_suffix("").parts)


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


@pytest.mark.parametrize("path", [p for p in FILES if p.name != "__init__.py"], ids=name_of)
def test_imports_point_down(path: Path):
    own = name_of(path)
    for target in imports(path, top_level=True):
        if target.startswith("lgm_core.") and (ROOT / Path(*target.split("."))).with_suffix(".py").exists():
            below = target.removeprefix("lgm_core.")
            assert layer(below) <= layer(own), f"{own} (layer {layer(own)}) imports {below} (layer {layer(below)})"
            rooms = {own.split(".")[0], below.split(".")[0]}
            siblings = layer(below) == layer(own) == 2 and len(rooms) == 2
            assert not siblings, f"{own} imports its sibling {below}"


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py" and p.parent.name != "lgm_core"], ids=str)
def test_rooms_list_their_files_and_import_nothing(path: Path):
    text = path.read_text()
    assert not imports(path)
    for file in path.parent.glob("*.py"):
        if file.name != "__init__.py":
            assert file.stem in text, f"{path.parent.name}/__init__.py does not mention {file.name}"


def test_layer_0_needs_neither_torch_nor_streamlit():
    modules = [f"lgm_core.{name_of(p)}" for p in FILES if p.name not in ("__init__.py", "__main__.py")]
    wanted = ["lgm_core", *(m for m in modules if layer(m.removeprefix("lgm_core.")) == 0)]
    script = "import sys, importlib\nfor name in ('torch', 'streamlit', 'timm'): sys.modules[name] = None\n"
    script += "\n".join(f"importlib.import_module({name!r})" for name in wanted)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]


def test_the_engine_needs_no_streamlit():
    for path in FILES:
        assert not {name for name in imports(path) if name.split(".")[0] in ("streamlit", "plotly")}, path


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_pages_import_layer_0_only(path: Path):
    for target in imports(path):
        assert target.split(".")[0] not in ("torch", "timm", "torchvision", "open_clip"), (
            f"{path.name} imports {target}"
        )
        if target.startswith("lgm_core.") and (ROOT / Path(*target.split("."))).with_suffix(".py").exists():
            assert layer(target.removeprefix("lgm_core.")) == 0, f"{path.name} imports {target}"


@pytest.mark.parametrize("path", [*FILES, *PAGES, *OTHERS], ids=lambda p: p.name)
def test_files_and_functions_stay_small(path: Path):
    text = path.read_text()
    relative = str(path.relative_to(ROOT))
    assert len(text.splitlines()) <= 250 or relative in ALLOWED_LONG_FILES, f"{relative} is longer than 250 lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            name = f"{relative}:{node.name}"
            assert length <= 60 or name in ALLOWED_LONG_FUNCTIONS, f"{name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_module_says_what_it_is(path: Path):
    assert ast.get_docstring(ast.parse(path.read_text())), path
