"""One step of RCIG against its parts, put together by hand as the specification's section 3 has them."""

from collections.abc import Callable

import pytest
import torch

from lgm_core.methods.rcig.adam import AdaBelief
from lgm_core.methods.rcig.convexified import Convexified
from lgm_core.methods.rcig.step import RCIG
from tests.one_thread import one_thread  # noqa: F401 (a fixture)
from tests.test_rcig import _rcig


def _parts(rcig: RCIG, step: int) -> tuple[dict, dict, int]:
    """Direct and implicit gradient of a step, neither clipped, and the network's place."""
    place = rcig._pool.choose(step)
    problem = rcig._problem(rcig._pool.frozen(place))
    displacement, _ = rcig._descend(problem, rcig.rates.inner, step)
    outer = rcig._outer(problem, displacement, step)
    vector, _ = rcig._solve(problem, outer.gradient, displacement, rcig.rates.solve, step)
    return outer.direct, problem.implicit(vector, displacement), place


@pytest.mark.parametrize("solve_rate", [1.0, 300.0], ids=["short", "clipped"])
def test_a_step_is_its_parts_in_the_papers_order(solve_rate: float):
    rates = {"image_rate": 2e-3, "temperature_rate": 0.05, "solve_rate": solve_rate, "pool_rate": 1e-2}
    one, other = _rcig(**rates), _rcig(**rates)
    beliefs = {name: AdaBelief(leaf) for name, leaf in other.synthetic.leaves().items()}
    for step in range(3):
        direct, implicit, place = _parts(other, step)
        for name, leaf in other.synthetic.leaves().items():
            longest = direct[name].norm()
            assert name != "pixels" or (implicit[name].norm() > longest) == (solve_rate == 300)
            factor = min(1.0, (longest / implicit[name].norm()).item()) if implicit[name].norm() else 0.0
            rate = 0.05 if name == "log_temperature" else 2e-3
            leaf.data += beliefs[name].move(direct[name] + factor * implicit[name], rate)
        with torch.no_grad():  # what the network is trained on is the set as it is now
            other._pool.train(place, *other.synthetic.materialise(), step)
        share = one.step(step).scalars["implicit_share"]
        shown = one.details()
        assert (share > 0.5) == (solve_rate == 300)  # as it was before the clip
        assert (shown["implicit_norm"]["pixels"] > shown["direct_norm"]["pixels"]) == (solve_rate == 300)
        for name, leaf in one.synthetic.leaves().items():
            torch.testing.assert_close(leaf, other.synthetic.leaves()[name], rtol=1e-5, atol=1e-6)
        trained = [rcig._pool.frozen(place).parameters for rcig in (one, other)]
        torch.testing.assert_close(*trained, rtol=1e-5, atol=1e-6)


def test_subsets_are_of_the_sizes_asked_for_and_gradients_are_averaged(monkeypatch: pytest.MonkeyPatch):
    seen: dict[str, list] = {"outer": [], "real": [], "implicit": [], "curvature": [], "inner": []}
    found: dict[str, list] = {"outer": [], "implicit": []}

    def spy(name: str, method: str, place: int) -> Callable:
        original = getattr(Convexified, method)

        def spied(self, *given):
            seen[name].append(None if given[place] is None else len(given[place].unique()))
            if name == "outer":
                seen["real"].append(len(given[1].rows.unique()))
            value = original(self, *given)
            if name in found:
                found[name].append(value)
            return value

        monkeypatch.setattr(Convexified, method, spied)
        return spied

    for name, method, place in (
        ("outer", "outer", 2), ("implicit", "implicit", 2), ("curvature", "curvature", 2),
        ("inner", "loss_and_gradient", 1),
    ):  # fmt: skip
        spy(name, method, place)
    rcig = _rcig(per_class=3, repeats=2, direct_rows=5, direct_real_rows=7, implicit_rows=9, solve_rows=6, inner_rows=4)
    rcig.step(0)
    assert seen == {"outer": [5, 5], "real": [7, 7], "implicit": [9, 9], "curvature": [6] * 4, "inner": [4] * 4}
    told = rcig.details()
    mean = (found["outer"][0].direct["pixels"] + found["outer"][1].direct["pixels"]) / 2
    assert told["direct_norm"]["pixels"] == pytest.approx(mean.norm().item(), rel=1e-4)
    assert not torch.equal(found["outer"][0].direct["pixels"], found["outer"][1].direct["pixels"])
    mean = (found["implicit"][0]["pixels"] + found["implicit"][1]["pixels"]) / 2
    longest = told["direct_norm"]["pixels"]
    assert told["implicit_norm"]["pixels"] == pytest.approx(min(mean.norm().item(), longest), rel=1e-4)
