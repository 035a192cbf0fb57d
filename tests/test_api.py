"""The engine from Python: the README's three lines, light to import, results as tensors and tables."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import lgm_core
from lgm_core import api
from lgm_core.base.errors import UserError
from lgm_core.base.knobs import to_dict
from lgm_core.cli import compute
from lgm_core.cli.main import main
from lgm_core.runs.store import RunStore
from tests.fake_runs import fake_distill

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))


def test_importing_the_package_loads_no_torch():
    script = "import sys, lgm_core; assert not {'torch', 'numpy', 'streamlit'} & set(sys.modules); lgm_core.list_runs()"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_the_engine_loads_what_takes_seconds_only_where_it_is_needed():
    """A first picture waits for every import."""
    slow = "timm", "torchvision", "open_clip", "sklearn", "kornia", "umap", "scipy", "pandas"
    script = (
        f"import sys, lgm_core.engine, lgm_core.methods.lgm.assembly; print(sorted(set({slow}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_distil_read_evaluate(small_run, small_weights):
    settings = to_dict(small_run) | {"evaluate_on": [small_weights]}
    for name in ("dataset", "backbone", "preset", "kind"):
        del settings[name]
    run = lgm_core.distill("digits", small_weights, progress=False, **settings)
    assert run.state == "finished" and run.images.shape == (10, 3, 32, 32) and run.labels.tolist() == list(range(10))
    assert run.images.min() >= 0 and run.images.max() <= 1
    table = run.accuracies()
    assert list(table.backbone) == [small_weights] and 0 <= table.top1[0] <= 1
    assert "loss" in run.metrics() and len(lgm_core.list_runs()) == 1
    again = lgm_core.evaluate(run, [small_weights], progress=False)
    assert again.accuracies().top1[0] == table.top1[0]  # the same probe of the same images
    chosen = lgm_core.baseline("centroids", "digits", small_weights, progress=False, **settings)
    assert chosen.images.shape == (10, 3, 224, 224)
    with pytest.raises(UserError, match="did you mean"):
        lgm_core.open_run(run.id[:-3] + "xyz")


@pytest.mark.slow
def test_the_readmes_three_lines_run(small_weights, small_run, monkeypatch):
    """The lines as printed, with a small network in place of the real one."""
    text = (ROOT / "README.md").read_text()
    (lines,) = re.findall(r"```python\n(import lgm_core\n.*?)```", text, re.S)
    settings = to_dict(small_run)
    original = lgm_core.distill

    def small(dataset, backbone, **values):
        kept = {k: v for k, v in settings.items() if k not in ("dataset", "backbone", "preset", "kind")}
        return original("digits", small_weights, progress=False, **{**kept, "evaluate_on": [small_weights]})

    monkeypatch.setattr("lgm_core.api.distill", small)
    scope: dict = {}
    exec(lines, scope)
    assert scope["run"].state == "finished"


def test_instruments_are_asked_for_as_by_their_verbs(monkeypatch, tmp_path):
    made = fake_distill(RunStore(tmp_path / "runs"), name="made")
    asked = []
    monkeypatch.setattr(api, "_do", lambda config, progress: asked.append(config) or api.Run(made))
    monkeypatch.setattr(compute, "start_and_work", lambda configs, cluster: asked.extend(configs) or 0)
    lgm_core.layers("digits", "mobilenet_v2", look={"k": 3})
    main(["layers", "digits", "mobilenet_v2", "--look.k", "3"])
    lgm_core.backbone_card("digits", "mobilenet_v2")
    main(["backbone", "digits", "mobilenet_v2"])
    lgm_core.style("made", ["resnet18"], look={"views": 2})
    main(["style", "made", "resnet18", "--look.views", "2"])
    lgm_core.patches(api.Run(made))
    main(["patches", "made"])
    assert asked[::2] == asked[1::2] and [config.kind for config in asked[::2]] == [
        "layers", "backbone", "style", "patches"
    ]  # fmt: skip
    assert asked[6].evaluate_on == made.config().networks() and api.Run(made).findings() == {}
