"""Where the runs of Launch are computed: on this machine, or on a cluster.

>>> pick_cluster()
'head-node:6379'
"""

import streamlit as st

from lgm_core.jobs.sending import SLURM, usual_cluster, why_not_sent
from pages.parts.theme import plain

HERE, RAY, ON_SLURM = "This machine", "Ray", "Slurm"
_WHERE = (
    "auto: the Ray cluster that this machine is part of; or HOST:PORT of its head. The cluster's nodes must see the "
    "same cache folder as this machine. LGM_CLUSTER sets what is offered here."
)


def pick_cluster() -> str:
    """The cluster that the runs are sent to, "" for this machine; says what is not installed."""
    usual = usual_cluster()
    options = [HERE, RAY, ON_SLURM]
    first = HERE if not usual else ON_SLURM if usual == SLURM else RAY
    where = st.segmented_control(
        "Run on", options, default=first, key="where", required=True, bind="query-params",
        help="On a cluster, runs continue when this dashboard is stopped; it finds them again in their folders",
    )  # fmt: skip
    cluster = SLURM if where == ON_SLURM else ""
    if where == RAY:
        address = usual if usual != SLURM else ""
        cluster = st.text_input("Ray at", value=address or "auto", key="cluster", help=_WHERE).strip() or "auto"
    if why := why_not_sent(cluster):
        st.warning(plain(why))
    return cluster
