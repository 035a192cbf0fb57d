"""`make demo` over three seeds: the set that is distilled beats its real picks of as many images in its own backbone.

    python docs/experiments/demo.py

The table of docs/results.md. Needs the weights that `make setup` fetches; on two cores four minutes.
"""

import sys

from lgm_core.cli.main import main

STUDY = """
study demo-three details --preset preview --distil-with mobilenet_v3_small --evaluate-on mobilenet_v3_small mobilenet_v2
--protocol paper --seeds 3 --draws 3 --steps 150 --lgm.whiten full --lgm.objective cosine-per-class
--probe.views 10 --probe.full-views 1
"""

if __name__ == "__main__":
    sys.exit(main(STUDY.split()))
