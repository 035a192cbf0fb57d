"""The examples in docstrings stay true: they parse, their names exist, their calls fit, and pure ones are run."""

import ast
import builtins
import doctest
import importlib
import inspect
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [p for top in ("lgm_core", "pages") for p in sorted((ROOT / top).rglob("*.py")) if ">>>" in p.read_text()]

# names that an example may use without making them, besides the parameters of its own module
STAND_INS = {
    "a", "axes_of_a", "axes_of_b", "b", "backbone", "bank", "bench", "centre_x", "centre_y", "chosen", "compute",
    "config", "data", "distiller", "features", "first_url", "folder", "images", "labels", "last_url", "learned",
    "left", "losses", "losses_at", "maps_of_a", "maps_of_b", "measured", "members", "network", "null", "open_one",
    "orders", "other_bank", "other_features", "own", "path", "photographs", "picture", "progress", "real",
    "real_labels", "residuals", "right", "run", "snapshots", "split", "state", "store", "student", "synthetic",
    "synthetic_labels", "test_features", "test_images", "test_labels", "train", "transform", "whitened",
}  # fmt: skip
CALLED = {"backbone", "network", "student", "progress", "losses_at"}  # those of them that may be called
MODULES = {
    "torch": "torch", "np": "numpy", "st": "streamlit", "os": "os", "sys": "sys",
    "engine": "lgm_core.engine", "lgm_core": "lgm_core",
}  # fmt: skip

# modules that need no torch, whose examples need no files and give the same on every machine: these are run
RUN = [
    "backbones.students.student_names", "base.costs", "base.errors", "base.knobs", "base.names",
    "base.settings", "cli.flags", "config", "datasets.catalog", "evaluation.catalog", "evaluation.protocol",
    "jobs.study", "methods.lgm.natural_colour", "methods.lgm.presets", "methods.rcig.config", "presets",
    "reports.command", "reports.markup", "runs.identity",
]  # fmt: skip


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def docstrings(tree: ast.Module) -> list[str]:
    places = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, places)]
    return [text for text in found if text and ">>>" in text]


def examples(path: Path) -> list[str]:
    """The code of each docstring that has an example, without what it prints."""
    parser = doctest.DocTestParser()
    texts = docstrings(ast.parse(path.read_text()))
    return ["".join(example.source for example in parser.get_examples(text)) for text in texts]


def room_of(name: str) -> str:
    """The package below lgm_core in which a module lies; a method's own where it has one."""
    parts = name.split(".")[:-1]
    return ".".join(parts[: 3 if parts[1:2] == ["methods"] else 2])


@cache
def public(room: str = "") -> dict[str, Any]:
    """The functions and classes of lgm_core, or of one room of it, whose name means one thing only there."""
    found: dict[str, list[Any]] = defaultdict(list)
    for path in sorted((ROOT / "lgm_core").rglob("*.py")):
        name = name_of(path)
        if path.name in ("__init__.py", "__main__.py") or room not in ("", room_of(name)):
            continue
        for key, value in vars(importlib.import_module(name)).items():
            if getattr(value, "__module__", None) == name and not key.startswith("_"):
                found[key].append(value)
    return {key: values[0] for key, values in found.items() if len(values) == 1}


def world(module: ModuleType) -> dict[str, Any]:
    """What names mean in the examples of a module: its own come first, then its room's, then those of lgm_core."""
    loaded = {name: importlib.import_module(full) for name, full in MODULES.items()}
    tools = {"Path": Path, "dataclass": dataclass, "replace": replace}
    return vars(builtins) | loaded | tools | public() | public(room_of(module.__name__)) | vars(module)


def parameters(module: ModuleType) -> set[str]:
    """Names of all parameters of a module's functions: a reader of its example looks there for what they are."""
    return {node.arg for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.arg)}


def assigned(tree: ast.AST) -> set[str]:
    """Names that the example itself makes."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found |= {(alias.asname or alias.name).split(".")[0] for alias in names}
    return found


def made(tree: ast.AST, known: dict[str, Any]) -> dict[str, type]:
    """Names to which the example assigns an object of a class, or opens one in a `with`, and that class."""
    found = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=func)):
                found[name] = meaning(func, known)
            case ast.withitem(optional_vars=ast.Name(id=name), context_expr=ast.Call(func=func)):
                found[name] = meaning(func, known)
    return {name: value for name, value in found.items() if isinstance(value, type)}


def meaning(node: ast.expr, known: dict[str, Any]) -> Any:
    """What a name, or a dotted name that starts at a module or class, stands for; None where nobody can tell."""
    match node:
        case ast.Name(id=name):
            return known.get(name)
        case ast.Attribute(value=value, attr=attribute):
            owner = meaning(value, known)
            if isinstance(owner, ModuleType | type):
                return getattr(owner, attribute)
    return None


def check_call(call: ast.Call, called: Any) -> None:
    """Raises TypeError where the arguments of an example do not fit the signature."""
    try:
        signature = inspect.signature(called)
    except ValueError:  # a builtin without one
        return
    spread = any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)
    positional = [a for a in call.args if not isinstance(a, ast.Starred)]
    named = {k.arg: k.value for k in call.keywords if k.arg is not None}
    (signature.bind_partial if spread else signature.bind)(*positional, **named)


def check_method(call: ast.Call, classes: dict[str, type]) -> None:
    """As check_call, for a method of an object that the example made; AttributeError where it has no such method."""
    match call.func:
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in classes:
            method = inspect.getattr_static(classes[name], attribute)
            if inspect.isfunction(method):  # its first argument is the object
                check_call(ast.Call(call.func, [call.func.value, *call.args], call.keywords), method)


def problems(code: str, module: ModuleType) -> list[str]:
    """What is wrong with one example of a module; [] where nothing is."""
    tree = ast.parse(code)
    own = assigned(tree)
    known = {name: value for name, value in world(module).items() if name not in own or name in MODULES}
    assumed = own | STAND_INS | parameters(module)
    classes = made(tree, known)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in known and node.id not in assumed:
            found.append(f"nothing is called {node.id}")
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id not in known and node.func.id in assumed - own - CALLED:
            found.append(f"no function or class is called {node.func.id}")
        try:
            called = meaning(node.func, known)
            if callable(called):
                check_call(node, called)
            check_method(node, classes)
        except (TypeError, AttributeError) as error:
            found.append(f"{ast.unparse(node)}: {error}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_examples_say_what_is_there(path: Path):
    module = importlib.import_module(name_of(path))
    found = [problem for code in examples(path) for problem in problems(code, module)]
    assert not found, f"{path.relative_to(ROOT)}: {found}"


@pytest.mark.parametrize("name", RUN)
def test_examples_give_what_they_show(name: str):
    module = importlib.import_module(f"lgm_core.{name}")
    text = inspect.getdoc(module) or ""
    test = doctest.DocTestParser().get_doctest(text, world(module), name, module.__file__, 0)
    told: list[str] = []
    results = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    assert results.attempted and not results.failed, "".join(told)


def test_a_wrong_example_is_seen():
    module = importlib.import_module("lgm_core.presets")
    assert not problems("preset('preview', steps=3)", module)
    for code in ("preset()", "peset('preview')", "Path.hom()", "unknown('a', ['b'])", "steps('a')",
                 "r = RunStore(Path('x')); r.opne('a')", "r = RunStore(Path('x')); r.open('a', 3, 4)"):  # fmt: skip
        assert len(problems(code, module)) == 1, code
