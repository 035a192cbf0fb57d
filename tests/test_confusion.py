"""Hard classes, and what they are taken for, also where a class has no test image."""

from lgm_core.reports.confusion import most_confused, shares, weakest_class, worst_classes

REPORT = {
    "classes": ["heron", "stork", 7, "crane"],  # an old file may name classes by number
    "per_class": [0.5, 0.25, None, 1.0],
    "confusion": [[2, 1, 0, 1], [3, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 4]],
}


def test_the_worst_classes_come_first_with_whom_they_are_taken_for():
    found = worst_classes(REPORT, 10)
    assert [(hard.name, hard.top1) for hard in found] == [("stork", 0.25), ("heron", 0.5), ("crane", 1.0)]
    assert [hard.taken_for for hard in found] == [(("heron", 3),), (("crane", 1), ("stork", 1)), ()]
    assert [hard.name for hard in worst_classes(REPORT, 1)] == ["stork"]


def test_the_most_frequent_confusions():
    assert most_confused(REPORT, 2) == [(3, "stork", "heron"), (1, "heron", "stork")]
    assert shares(REPORT["confusion"])[:3] == [[0.5, 0.25, 0, 0.25], [0.75, 0.25, 0, 0], [0, 0, 0, 0]]


def test_classes_without_test_images_are_neither_weak_nor_a_crash():
    weakest = weakest_class(REPORT)
    assert weakest is not None and weakest.name == "stork"
    assert weakest_class(REPORT | {"per_class": [None] * 4}) is None
    assert weakest_class({"classes": [], "per_class": [], "confusion": []}) is None
