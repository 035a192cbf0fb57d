"""The ridge objective over its temperature and its strength, as two tables: what no published code says.

    python docs/experiments/ridge_map.py run      # what is not there yet, one run after another
    python docs/experiments/ridge_map.py table    # Markdown, of what is there

Imagenette, 100 training photographs per class, one image per class, distilled with MobileNetV3-small, 100 steps of
three views, one seed; the nearest class mean on 1,200 test photographs, in the backbone itself and in the worse of
EfficientNet-Lite0 and MobileNetV2, which took no part. Needs Imagenette ($LGM_DATASETS) and the weights that
`make setup` fetches.
"""

import sys

import lgm_core
from lgm_core.base.places import places
from lgm_core.runs.store import RunStore

OWN, UNSEEN = "mobilenet_v3_small", ("tf_efficientnet_lite0", "mobilenet_v2")
STRENGTHS, TEMPERATURES = (1e-3, 1e-2, 1e-1, 1.0), (0.1, 0.3, 1.0)


def run() -> None:
    for strength in STRENGTHS:
        for temperature in TEMPERATURES:
            lgm_core.distill(
                "imagenette", OWN, preset="preview", steps=100, name=_name(strength, temperature), study="ridge-map",
                evaluate_on=[OWN, *UNSEEN], protocol=["nearest-mean"], progress=False, live={"times": 0},
                data={"train_per_class": 100}, record={"frames": 6, "map_images": 0, "thumbnails": False},
                lgm={"objective": "ridge", "whiten": "none", "learning_rate": 4e-2, "views": 3,
                     "ridge_lambda": strength, "ridge_temperature": temperature},
            )  # fmt: skip


def table() -> None:
    made = {one.id: one for one in RunStore(places().runs).study("ridge-map")}
    for title, networks in (("itself", (OWN,)), ("the worse of two that took no part", UNSEEN)):
        print(f"\n| {title}: ridge_lambda | {' | '.join(f'temperature {one:g}' for one in TEMPERATURES)} |")
        print("|---" * (1 + len(TEMPERATURES)) + "|")
        for strength in STRENGTHS:
            cells = []
            for temperature in TEMPERATURES:
                one = made.get(_name(strength, temperature))
                found = {report["backbone"]: report["top1"] for report in one.eval_reports()} if one else {}
                known = all(name in found for name in networks)
                cells.append(f"{100 * min(found[name] for name in networks):.1f}" if known else "")
            print(f"| {strength:g} | {' | '.join(cells)} |")


def _name(strength: float, temperature: float) -> str:
    return f"ridge-{strength:g}-{temperature:g}"


if __name__ == "__main__":
    asked = {"run": run, "table": table}
    asked[sys.argv[1]]() if sys.argv[1:2] and sys.argv[1] in asked else sys.exit(__doc__)
