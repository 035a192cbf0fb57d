"""Transfer against alignment over ordered pairs: r, its intervals, its p, and the untrained control."""

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import pearsonr

from lgm_core.cli.main import main
from lgm_core.reports.disagreement import open_disagreement, shown_rows
from lgm_core.reports.matrix import study_matrix
from lgm_core.reports.transfer import Point, related, transfer_points, transfer_table
from tests.fake_disagreement import fake_disagreement
from tests.fake_runs import BACKBONES, CLASSES, fake_distill, fake_eval, fake_study
from tests.test_pages_analysis import store  # noqa: F401  (a fixture)


def study(slope: float, count: int = 5, seed: int = 0) -> list[Point]:
    random = np.random.default_rng(seed)
    near = random.uniform(0.1, 0.9, size=(count, count))
    near = (near + near.T) / 2
    names = [f"net{i}" for i in range(count)]
    return [
        Point(made=a, judge=b, alignment=near[i, j], accuracy=slope * near[i, j] + 0.05 * random.normal())
        for i, a in enumerate(names) for j, b in enumerate(names) if i != j
    ]  # fmt: skip


def test_r_is_pearsons_and_its_interval_is_wider_than_that_of_independent_pairs():
    points = study(0.4)
    found = related(points)
    assert found is not None and found.pairs == 20 and found.backbones == 5
    assert found.r == pytest.approx(pearsonr(*zip(*[(p.alignment, p.accuracy) for p in points], strict=True)).statistic)
    assert found.interval[0] < found.r < found.interval[1] and found.fisher[0] < found.r < found.fisher[1]
    assert found.p == pytest.approx(1 / 120)
    assert related(points) == found


def test_p_is_the_share_of_renamings_that_reach_r():
    points = study(0.1, count=4, seed=3)
    names = [f"net{i}" for i in range(4)]
    table = {(p.made, p.judge): p.accuracy for p in points}
    rs = []
    for order in permutations(range(4)):
        new = {name: names[order[i]] for i, name in enumerate(names)}
        moved = [table[new[p.made], new[p.judge]] for p in points]
        rs.append(pearsonr([p.alignment for p in points], moved).statistic)
    found = related(points)
    assert found is not None and found.p == pytest.approx(np.mean(np.array(rs) >= rs[0] - 1e-12)) and found.p > 1 / 24


def test_too_few_pairs_have_no_r():
    assert related(study(1, count=2)) is None
    assert related([Point(made="a", judge=b, alignment=0.5, accuracy=0.5) for b in "bcd"]) is None


def test_the_points_of_a_study_are_its_cells_of_other_backbones(store):  # noqa: F811
    a, b = BACKBONES[:2]
    points = transfer_points(study_matrix(fake_study(store)), {(a, b): 0.4, (b, a): 0.4})
    assert [(p.made, p.judge, p.alignment, p.control) for p in points] == [(a, b, 0.4, False), (b, a, 0.4, False)]
    assert points[0].accuracy == pytest.approx(0.805)
    assert Point(made=a, judge="random:x", alignment=0.0, accuracy=0.0).control


def test_a_study_says_how_transfer_goes_with_each_measure(store, capsys):  # noqa: F811
    for accuracy, made in enumerate(BACKBONES):
        run = fake_distill(store, name=f"demo-{made}", study="demo", backbone=made, evaluate_on=list(BACKBONES))
        for judge in BACKBONES:
            fake_eval(run, judge, list(CLASSES), 0.5 + 0.1 * accuracy)
    matrix, compared = study_matrix(store.study("demo")), open_disagreement(fake_disagreement(store))
    assert compared is not None
    headings, rows = transfer_table(matrix, compared)
    scores = {pair: shown_rows(compared.measured(*pair), 10)[0]["score"] for pair in compared.pairs()}
    both_ways = scores | {pair[::-1]: score for pair, score in scores.items()}
    found = related(transfer_points(matrix, both_ways))
    assert found is not None and len(both_ways) == 6 == found.pairs
    assert rows[0][1] == f"{found.r:.2f}" and rows[0][4:] == ["6", ""]
    assert main(["show", "demo"]) == 0
    said = capsys.readouterr().out
    assert f"Transfer against alignment ({compared.run.id})" in said and all(row[0] in said for row in rows)
    assert transfer_table(study_matrix(store.study("demo")[:1]), compared) == (headings, [])
