"""Whose side the others take: seeds, assignments, layers, whether the aim is reached, what foretells the side."""

from itertools import permutations

import pytest

from lgm_core.base.files import read_json, write_json
from lgm_core.base.settings import joined
from lgm_core.jobs.pairs import PairFlags, plan_pairs
from lgm_core.presets import preset
from lgm_core.reports.allegiance import Side, Spread, aim_words, assignment_words, side_table, taken_sides
from lgm_core.reports.foretold import TRANSFER, alignments, followed, foretold, readings
from lgm_core.reports.page import run_report, study_report
from lgm_core.runs.store import RunFolder, RunStore
from tests.fake_runs import BACKBONES, CLASSES, fake_align, fake_distill, fake_eval

A, B, C = BACKBONES
ROLLED = (*range(1, 10), 0)
PLACE = {"a": 0.0, "b": 1.0, "c": 0.3, "d": 0.8}
ALIKE = {(one, two): 1 - abs(PLACE[one] - PLACE[two]) for one in PLACE for two in PLACE}
TRIPLES = list(permutations(PLACE, 3))


def _side(first: str, second: str, judge: str, share: float, other: float | None = None) -> Side:
    top1, rest = Spread(mean=share, spread=0.0), Spread(mean=1 - share if other is None else other, spread=0.0)
    return Side(
        first=first, second=second, judge=judge, classes=ROLLED, assignment="rolled", top1=top1, other=rest, share=top1,
        runs=("r",),
    )  # fmt: skip


def _judged(run: RunFolder, judge: str, share: float, classes: tuple[int, ...] = ROLLED) -> None:
    fake_eval(run, judge, list(CLASSES), share)
    (file,) = run.evals.glob(f"{judge}-on-*.json")
    found = {"classes": list(classes), "top1_other": 0.9 - share, "allegiance": share / 0.9}
    write_json(file, read_json(file) | {"contrast": found})


def _pair(store: RunStore, name: str, seed: int, share: float, classes: tuple[int, ...] = ROLLED) -> RunFolder:
    facts = {"backbone": joined((A, B)), "lgm": {"contrast": "rolled"}, "evaluate_on": (C,), "seed": seed}
    run = fake_distill(store, name=name, frames=3, study="s", trail=False, **facts)
    for file in run.evals.glob("*.json"):
        file.unlink()
    _judged(run, C, share, classes)
    return run


def test_sets_of_several_seeds_are_one_row_with_its_spread(store: RunStore):
    runs = [_pair(store, f"s{seed}", seed, share) for seed, share in enumerate((0.18, 0.36))]
    facts = {
        "kind": "evaluate",
        "source": "s0",
        "backbone": joined((A, B)),
        "evaluate_on": (C,),
        "dataset": "imagenette",
    }
    again = fake_distill(store, name="again", frames=3, trail=False, **facts)
    _judged(again, C, 0.27)  # the same set judged once more: it counts once, with the newer report
    (side,) = taken_sides([*runs, again])
    told = study_report("s", runs)
    (both,) = taken_sides(runs)
    assert "Whose side do the others take?" in told and f"<td>{both.top1.words(2)}</td>" in told
    assert "Whose side" in run_report(runs[0]) and "Whose side" not in run_report(fake_distill(store, name="plain"))
    assert side.runs == ("s0", "s1") and side.top1.mean == pytest.approx(0.315)
    assert side.top1.spread == pytest.approx(0.045) and side.share and side.share.spread == pytest.approx(0.05)
    headings, (row,) = side_table([side])
    assert dict(zip(headings, row, strict=True)) == {
        "images mean their class to": A, "and another to": B, "judged by": C, "A's class, %": "31.5 ± 4.5",
        "B's class, %": "58.5 ± 4.5", "with A, %": "35.0 ± 5.0", "sets": "2",
    }  # fmt: skip


def test_sets_of_another_assignment_are_not_pooled(store: RunStore):
    exchanged = (4, 1, 2, 3, 0, 5, 6, 7, 8, 9)
    runs = [_pair(store, "s0", 0, 0.18), _pair(store, "s1", 1, 0.36, exchanged)]
    (file,) = runs[1].evals.glob("*.json")
    confusion = [[50 * (row == column) for column in range(10)] for row in range(10)]
    confusion[0][0] = confusion[4][4] = 25
    confusion[0][4], confusion[4][0], confusion[0][7], confusion[4][7] = 4, 6, 21, 19
    write_json(file, read_json(file) | {"confusion": confusion})
    sides = taken_sides(runs)
    headings, rows = side_table(sides)
    assert [(one.runs, one.top1.spread) for one in sides] == [(("s0",), 0), (("s1",), 0)]
    assert sides[1].top1.mean == 0.5 and sides[1].other.mean == 0.1  # of the images of tench and church alone
    assert headings[2] == "assignment" and [row[2] for row in rows] == ["rolled", "tench ↔ church"]


def test_an_assignment_is_told_in_few_words():
    names = [str(place) for place in range(16)]
    assert assignment_words((1, 2, 0), names) == "rolled"
    assert assignment_words((0, 3, 1, 2), names) == "1 → 3, 2 → 1, 3 → 2"
    assert assignment_words([place ^ 1 for place in range(16)], names).endswith("10 ↔ 11, and 2 more")


def test_the_aim_is_said_for_each_order_of_a_pair():
    good = [_side("a", "b", "a", 0.9, 0.01), _side("a", "b", "b", 0.01, 0.9), _side("a", "b", "c", 0.5)]
    assert "1 of 1 ordered pairs reach it (a against b)." in aim_words(good)
    back = [_side("b", "a", "b", 0.9, 0.01), _side("b", "a", "a", 0.03, 0.9)]  # A still finds B's meaning too often
    assert "1 of 2 ordered pairs reach it (a against b), 0 of 1 pairs in both orders." in aim_words(good + back)
    assert "0 of 1" in aim_words([_side("a", "b", "a", 0.84, 0.01), good[1]])
    assert aim_words(good[1:]) == ""


def test_who_is_alike_sides_alike_whatever_the_order_of_a_pair():
    near = [_side(a, b, c, 0.5 + 0.4 * (ALIKE[c, a] - ALIKE[c, b])) for a, b, c in TRIPLES]
    one, back = followed(near, ALIKE), followed(near[::-1], ALIKE)
    assert one and back and one.points == 12 and one.r == pytest.approx(1) == back.r and one.backbones == 4
    away = followed([_side(s.first, s.second, s.judge, s.other.mean) for s in near], ALIKE)
    assert away and away.r == pytest.approx(-1) and away.interval
    always_first = followed([_side(a, b, c, 0.9) for a, b, c in TRIPLES], ALIKE)
    assert always_first is None  # the first named wins in both orders: nothing that the others would have sided by


def test_layers_judge_as_thirds_and_are_drawn_with_their_backbone():
    layer = "resnet18@stage2.pool"
    plan = plan_pairs(preset("preview", name="s", evaluate_on=(layer,)), PairFlags(backbones=("a", "b")))
    assert plan[0].evaluate_on == ("a", "b", layer)
    third, own = _side("a", "b", layer, 0.8), _side("resnet18", "b", layer, 0.8)
    assert third.is_third and not own.is_third and not own.is_own
    assert [row[5] for row in side_table([third, own, _side("a", "b", "a", 0.8)])[1]] == ["80.0", "80.0", ""]
    values = ALIKE | {(f"{one}@stage2.pool", two): value for (one, two), value in ALIKE.items()}
    near = [
        _side(a, b, judge, 0.5 + 0.4 * (values[judge, a] - values[judge, b]))
        for a, b, c in TRIPLES for judge in (c, f"{c}@stage2.pool")
    ]  # fmt: skip
    found = followed(near, values)
    assert found and found.points == 24 and found.backbones == 4


def test_a_backbone_sides_with_the_one_whose_sets_it_reads(store: RunStore):
    """The table of transfer has two different values for two backbones: who judges, and who made the set."""
    reads = {(A, B): 0.2, (A, C): 0.6, (B, A): 0.5, (B, C): 0.3, (C, A): 0.8, (C, B): 0.1}
    for maker in BACKBONES:
        for accuracy, more in ((0.9, {"seed": 1}), (None, {"seed": 0})):  # the newest set of each counts
            facts = {"backbone": maker, "evaluate_on": tuple(set(BACKBONES) - {maker}), **more}
            run = fake_distill(store, name=f"{maker}-{more['seed']}", frames=3, trail=False, **facts)
            for judge in facts["evaluate_on"]:
                fake_eval(run, judge, list(CLASSES), accuracy or reads[judge, maker])
    other = fake_distill(store, name="other", frames=3, trail=False, backbone=A, evaluate_on=(B,), steps=9)
    fake_eval(other, B, list(CLASSES), 0.99)  # made with other settings
    runs = [RunFolder(store.root / name) for name in (*(f"{m}-{s}" for m in BACKBONES for s in (1, 0)), "other")]
    assert {pair: round(value, 3) for pair, value in readings(runs, "imagenette").items() if pair in reads} == reads
    near = [_side(a, b, c, 0.5 + 0.4 * (reads[c, a] - reads[c, b])) for a, b, c in permutations(BACKBONES)]
    found = foretold(runs, "imagenette", near)
    transfer = found[TRANSFER]
    assert list(found) == [TRANSFER] and transfer and transfer.points == 3 and transfer.r == pytest.approx(1)
    paper = [_side(one.first, one.second, f"{one.judge}, paper", 0.8) for one in near]
    assert foretold(runs, "imagenette", paper)[TRANSFER] is None  # judged otherwise: not comparable


def test_the_debiased_cka_is_taken_where_it_is_known(store: RunStore):
    run = fake_align(store)
    assert list(alignments([run], "imagenette", BACKBONES)) == ["Linear CKA", "Mutual k-NN, k = 10"]
    found = read_json(run.alignment_file)
    table = [[0.5] * 3 for _ in BACKBONES]
    write_json(run.alignment_file, found | {"cka_debiased": table})
    known = alignments([run], "imagenette", BACKBONES)
    assert known["CKA, debiased"][A, B] == 0.5 and "Linear CKA" not in known
