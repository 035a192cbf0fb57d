"""Where backbones disagree on Imagenette, and whether transfer follows alignment: the tables of docs/results.md.

    python docs/experiments/disagree.py [BACKBONE ...]         # compare, distil, judge: the runs, found again if there
    python docs/experiments/disagree.py --tables [BACKBONE ...]  # the tables alone, from runs that are finished

Backbones beyond the three of the package index are given by name: dinov2_vits14, "file:PATH?timm=resnet18".
Untrained controls are added. Runs lie in $LGM_CACHE; data in $LGM_DATASETS. Some 25 minutes on one thread.
"""

import sys

from lgm_core.base.places import places
from lgm_core.cli.main import main
from lgm_core.reports.disagreement import Disagreement, measure_words, open_disagreement, shown_rows
from lgm_core.reports.matrix import study_matrix
from lgm_core.reports.transfer import transfer_table
from lgm_core.runs.store import RunStore

SMALL = ["mobilenet_v3_small", "tf_efficientnet_lite0", "mobilenet_v2"]
CONTROLS = ["random:mobilenet_v3_small", "random:tf_efficientnet_lite0"]
COMPARED, STUDY, K = "disagree-imagenette", "transfer-imagenette", 10


def work(backbones: list[str]) -> None:
    """The comparison of all, then a study that distils with each but the transformers and judges on all."""
    here = ["--device.threads", "1"]
    judges = [*backbones, CONTROLS[0]]
    settings = ["--align.images", "1000", "--align.no-maps", "--name", COMPARED, *here]
    main(["disagree", "imagenette", *backbones, *CONTROLS, *settings])
    shared = ["--preset", "preview", "--data.train-per-class", "50", "--data.test-per-class", "50", "--live.times", "0"]
    made = [name for name in backbones if "vit" not in name]
    asked = ["--distil-with", *made, "--evaluate-on", *judges, "--seeds", "1", "--no-baselines"]
    main(["study", STUDY, "imagenette", *shared, *asked, "--protocol", "nearest-mean", *here])


def show_pairs(found: Disagreement, backbones: list[str]) -> None:
    """A row per pair: scores of each measure, the consensus with its interval, common neighbours."""
    rows = {pair: shown_rows(found.measured(*pair), K) for pair in found.pairs()}
    named = [measure_words(row) for row in next(iter(rows.values()))]
    print(f"\n| pair | {' | '.join(named)} | common of {K} | largest p |\n|{'---|' * (len(named) + 3)}")
    for (a, b), found_rows in rows.items():
        if {a, b} <= {*backbones, *CONTROLS}:
            low, high = found_rows[0]["score_interval"]
            scores = [f"{row['score']:.2f}" for row in found_rows]
            scores[0] += f" ({low:.2f} to {high:.2f})"
            share, p = found.shared(a, b, K).mean(), max(row["p"] for row in found_rows)
            print(f"| {short(a)}, {short(b)} | {' | '.join(scores)} | {100 * share:.1f} % | {p:.3f} |")


def show_groups(found: Disagreement, backbones: list[str]) -> None:
    """The first group of each direction of each pair of trained backbones."""
    print("\n| held by | torn by | images | kept | typical rank | classes |\n|---|---|---|---|---|---|")
    for one, other in found.pairs():
        for near, far in ((one, other), (other, one)):
            if {near, far} <= set(backbones) and (groups := found.torn(near, far)):
                group = max(groups, key=lambda group: group["rank_far"] / group["rank_near"])
                labels = [found.classes[found.labels[row]] for row in group["members"]]
                classes = ", ".join(
                    f"{name} {labels.count(name)}" for name in sorted({*labels}, key=labels.count)[:-4:-1]
                )
                kept = f"{100 * group['kept_near']:.0f} %, {100 * group['kept_far']:.0f} %"
                ranks = f"{group['rank_near']:.0f}, {group['rank_far']:.0f}"
                print(f"| {short(near)} | {short(far)} | {len(labels)} | {kept} | {ranks} | {classes} |")


def show_transfer(found: Disagreement, store: RunStore) -> None:
    """r of each measure with transfer over all ordered pairs of the study, without and with the untrained judge."""
    matrix = study_matrix(store.study(STUDY))
    headings, rows = transfer_table(matrix, found, K)
    print(f"\n| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    for row in matrix.rows:
        cells = {column: matrix.value(row, column, "raw") for column in matrix.columns}
        print(row.label, {short(name): f"{100 * value:.1f}" for name, value in cells.items() if value is not None})


def short(name: str) -> str:
    """A backbone's name in a table."""
    return name.rpartition("?timm=")[2] if "?timm=" in name else name


if __name__ == "__main__":
    words = sys.argv[1:]
    given = SMALL + [word for word in words if word != "--tables"]
    if "--tables" not in words:
        work(given)
    runs = RunStore(places().runs)
    told = open_disagreement(runs.open(COMPARED))
    assert told is not None, f"{COMPARED} is not finished: run this script without --tables"
    show_pairs(told, given)
    show_groups(told, given)
    show_transfer(told, runs)
