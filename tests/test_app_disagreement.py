"""The page Disagreement and what it reads: every view through its link, empty, under way, and of an earlier version."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from lgm_core.base.files import read_json, write_json
from lgm_core.reports.disagreement import OTHERS, open_disagreement
from lgm_core.reports.page import run_report
from pages.parts.maps.morph import _between, _lassoed
from pages.parts.maps.neighbourhood import title_of
from tests.fake_disagreement import KS, fake_disagreement
from tests.fake_runs import BACKBONES, CLASSES, ERROR, REAL, fake_align
from tests.test_pages_analysis import show, store, words  # noqa: F401  (fixtures)

A, B, C = BACKBONES
BOTH = {"dataset": "imagenette", "backbones": [A, B]}
ALL = {"dataset": "imagenette", "backbones": [A, B, C]}


def test_shares_distributions_and_classes_are_those_of_the_files(store):  # noqa: F811
    found = open_disagreement(fake_disagreement(store))
    assert found is not None and found.pairs() == [(A, B), (A, C), (B, C)]
    near = [{row for row, _ in found.near(name, 7, 10)} for name in (A, B)]
    share = found.shared(A, B, 10)
    assert share[7] == len(near[0] & near[1]) / 10 and (found.shared(B, A, 10) == share).all()
    every = found.distribution(A, [B], 10)
    assert (
        every["found"].sum() == REAL
        and every["found"].tolist() == np.histogram(share * 10, np.arange(12) - 0.5)[0].tolist()
    )
    expected = REAL * hypergeom(REAL - 1, 10, 10).pmf(range(11))
    assert np.allclose(every["by chance"], expected) and every["permuted"].sum() == pytest.approx(REAL)
    assert found.chance(10) == pytest.approx((expected * np.arange(11)).sum() / REAL / 10)
    rows = found.per_class(share)
    assert [one.mean for one in rows] == sorted(share[found.labels == label].mean() for label in range(10))
    assert rows[0].error == pytest.approx(share[found.labels == rows[0].label].std(ddof=1) / np.sqrt(rows[0].images))
    against = found.distribution(A, [B, C], 10)
    pmf = hypergeom(REAL - 1, 10, 10).pmf(range(11))
    nought = REAL * (pmf[0] ** 2 + 2 * pmf[0] * pmf[1])  # means of 0 and of 1/2, which rounds to the even number
    assert against["by chance"][0] == pytest.approx(nought) and against["by chance"].sum() == pytest.approx(REAL)
    assert against["found"].tolist() == np.bincount(
        np.rint((share + found.shared(A, C, 10)) * 5).astype(int), minlength=11
    ).tolist() and "permuted" not in against  # fmt: skip
    assert [len(group["members"]) for group in found.torn(A, B)] == [5]
    assert [len(group["members"]) for group in found.torn(B, A)] == [4, 6]


def test_the_report_shows_each_pair_with_its_groups(store):  # noqa: F811
    run = fake_disagreement(store)
    told = run_report(run)
    assert all(f"<h2>{a} and {b}</h2>" in told for a, b in ((A, B), (A, C), (B, C)))
    assert "Mutual k-NN, k = 10" in told and "0.390 to 0.430" in told and "6 images: 90 % of their 5" in told
    assert told.count('<img src="data:image/webp') == 3 * (5 + 4 + 6)
    assert "<h2>" + A not in run_report(fake_align(store, name="earlier"))


def test_damaged_or_earlier_files_are_no_comparison(store):  # noqa: F811
    run = fake_disagreement(store)
    run.images_file.write_bytes(run.images_file.read_bytes()[:500])
    assert open_disagreement(run) is None and any("disagreement.safetensors" in line for line in run.problems())
    assert open_disagreement(fake_align(store, name="earlier")) is None
    short = fake_disagreement(store, (A, B), name="short")
    short.images_file.write_bytes(fake_disagreement(store, name="long").images_file.read_bytes())
    assert open_disagreement(short) is None  # of another comparison
    other = fake_disagreement(store, name="other")
    values = read_json(other.alignment_file)
    write_json(other.alignment_file, values | {"pairs": [{"pair": [0, 1]}]})
    assert open_disagreement(other) is None and any("alignment.json" in line for line in other.problems())


def test_nothing_is_compared_yet(show, store, monkeypatch):  # noqa: F811
    submitted = []
    monkeypatch.setattr("lgm_core.jobs.local.submit", lambda config, here, first=False: submitted.append(config))
    fake_align(store, (A, B), name="earlier")  # without facts about each image
    shown = show("disagreement", **BOTH)
    assert "have not been compared" in words(shown)
    next(button for button in shown.button if button.label == "Compare them").click().run()
    assert [(one.kind, one.dataset, one.evaluate_on) for one in submitted] == [("align", "imagenette", (A, B))]
    assert "two or more" in words(show("disagreement", dataset="imagenette", backbones=[A]))


@pytest.mark.parametrize("state", ["queued", "running", "paused", "failed", "lost"])
def test_a_comparison_under_way_is_shown_as_such(show, store, state):  # noqa: F811
    fake_align(store, (A, B), state)
    shown = show("disagreement", **BOTH)
    labels, told = [button.label for button in shown.button], words(shown)
    assert (ERROR[:20] in told) == (state == "failed") and ("its worker process stopped" in told) == (state == "lost")
    wanted = {"paused": "Resume", "failed": "Try again", "lost": "Try again"}.get(state)
    assert wanted in labels if wanted else not {"Compare them", "Try again"} & set(labels)


def test_images_stand_with_both_neighbourhoods_and_can_be_sorted(show, store):  # noqa: F811
    found = open_disagreement(fake_disagreement(store))
    assert found is not None
    least, most = (100 * edge for edge in (found.shared(A, B, 10).min(), found.shared(A, B, 10).max()))
    shown = words(show("disagreement", **BOTH))
    assert shown.count("% of 10 in common") == 8 and f"{least:.0f} % of 10 in common" in shown
    assert f"{most:.0f} % of 10 in common" in words(show("disagreement", changed_order="most", **BOTH))
    others = words(show("disagreement", pair=f"{B}|{OTHERS}", **ALL))
    assert f"{title_of(B)} against all others" in others and others.count(f"{title_of(C)}</small>") == 8


def test_a_bar_opens_its_images(show, store):  # noqa: F811
    found = open_disagreement(fake_disagreement(store))
    assert found is not None
    shown = show("disagreement", look="chance", **BOTH)
    assert "by chance 4.2 %" in words(shown) and len(shown.get("plotly_chart")) == 2
    count = int((np.round(found.shared(A, B, 10) * 10) == 5).sum())
    opened = words(show("disagreement", look="chance", common="5", **BOTH))
    assert f"{count} images: 5 of 10 in common" in opened
    own = words(show("disagreement", look="chance", **{"class": CLASSES[3]}, **BOTH))
    assert f"{REAL // 10} images: class" in own
    assert "images: " not in words(show("disagreement", look="chance", common="x", **{"class": "gone"}, **BOTH))


def test_groups_are_shown_in_both_directions_and_stand_out_on_the_map(show, store):  # noqa: F811
    fake_disagreement(store)
    first = show("disagreement", look="groups", **BOTH)
    assert "**5 images**" in words(first) and "typical rank of another member 4 and 61" in words(first)
    second = show("disagreement", look="groups", holds="second", **BOTH)
    assert "**4 images**" in words(second) and "**6 images**" in words(second)
    next(button for button in second.button if button.label == "On the map").click().run()
    assert second.get("bidi_component") and "A group of 4 images stands out" in words(second)
    assert second.query_params["group"] == "second-0"
    assert "choose a pair" in words(show("disagreement", look="groups", pair=f"{A}|{OTHERS}", **ALL))


def test_the_map_opens_a_lasso_and_an_image_from_its_link(show, store):  # noqa: F811
    fake_disagreement(store)
    lasso = "at-0.50~0,0~0.6,0~0.6,1~0,1"
    shown = show("disagreement", look="map", lasso=lasso, picked="real:7", colour="class", at="0.5", **BOTH)
    assert "images in the lasso" in words(shown) and words(shown).count("% of 10 in common") == 1
    for link in ({"lasso": "at-x~0,0~1,1~1,0", "at": "nan"}, {"picked": "real:99999", "group": "first-99", "at": "-3"}):
        assert "% of 10" not in words(show("disagreement", look="map", **link, **BOTH))


def test_points_are_where_the_browser_draws_them():
    frames = np.array([[[0, 0], [65535, 0]], [[10, 65535], [0, 1]]], float)
    assert _between(frames, 0.5).tolist() == [[5, 32768], [32768, 1]]
    assert (_between(frames, 7) == frames[1]).all() and (_between(frames[:1], 0.4) == frames[0]).all()
    assert _lassoed(frames, "at-0.00~0.5,-1~2,-1~2,1~0.5,1").tolist() == [False, True]
    assert not _lassoed(frames, "map~0,0~1,0~1,1").any()


def test_every_measure_has_a_matrix_and_a_row(show, store):  # noqa: F811
    fake_disagreement(store)
    shown = show("disagreement", look="measures", **ALL)
    assert shown.get("bidi_component")
    table = shown.dataframe[0].value
    assert list(table["Measure"]) == [
        "Consensus, k = 10", "Linear CKA", "CKA, debiased", "RSA", "Mutual k-NN, k = 10", "CKNNA, k = 10",
    ]  # fmt: skip
    assert table["Score, 95 %"][1] == "0.390 to 0.430" and table["By chance"][1] == "0.100"
    assert len(show("disagreement", look="measures", pair=f"{A}|{OTHERS}", **ALL).dataframe) == 2
    assert len(KS) == 4


def test_bad_links_open_the_page_all_the_same(show, store):  # noqa: F811
    fake_disagreement(store)
    for link in ({"pair": "gone|x"}, {"k": "7"}, {"look": "x", "by": "y", "holds": "z"}):
        assert "in common" in words(show("disagreement", **link, **BOTH))
