"""Where the mean of a set lies beside that of photographs, and what nearest-mean loses by it.

    python docs/experiments/centring.py RUN [RUN ...] --networks resnet18 mobilenet_v2     # Markdown

The protocol nearest-mean takes all features around the set's own mean, as no real image may help it. The objectives do
not hold that mean where the photographs' is: a shift that all images share changes no gradient. *Shift* is the distance
of the two means over the root mean square distance of training photographs from theirs; *most often* the share of the
test photographs that get the most frequent class; the last columns are the same around the mean of the training
photographs, for test photographs alone.
"""

import argparse

import torch
from torch import Tensor

import lgm_core
from lgm_core.base.places import places
from lgm_core.evaluation.judge import Judged
from lgm_core.evaluation.nearest_mean import ClassMeans
from lgm_core.evaluation.seen import held_out, views_of
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.source_runs import read_set
from lgm_core.workbench import Workbench


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--networks", nargs="+", required=True, metavar="NETWORK")
    asked = parser.parse_args()
    print("| set | read by | shift | top-1 | most often | around the photographs' mean: top-1 | most often |")
    print("|---" * 7 + "|")
    for name in asked.runs:
        run = lgm_core.open_run(name)
        with Recorder(run.folder, run.config.record, steps=run.config.steps) as recorder:
            bench = Workbench(run.config, places(), recorder)
            judged = Judged(images=read_set(run.folder), made=run.config, run=name)
            for network in asked.networks:
                seen, test = views_of(bench, run.config, judged, network), held_out(bench, network)
                means = ClassMeans(seen, classes=bench.classes)
                real = bench.clean_bank(bench.train, bench.backbone(network)).features[:, 0].float()
                centre, radius = real.mean(0), (real - real.mean(0)).square().sum(1).mean().sqrt()
                shift = seen.mean() - centre
                told = [_told(means.scores(one), test.labels) for one in (test.features.float(), test.features + shift)]
                print(f"| {name} | {network} | {float(shift.norm() / radius):.2f} | {' | '.join(told)} |", flush=True)


def _told(scores: Tensor, labels: Tensor) -> str:
    called = scores.argmax(-1)
    most = torch.bincount(called, minlength=scores.shape[-1]).max() / len(labels)
    return f"{100 * float((called == labels).float().mean()):.1f} | {100 * float(most):.0f} %"


if __name__ == "__main__":
    main()
