"""The groups that a run's data set consists of, each with the way back to the view it was chosen on.

>>> show_groups(run)
"""

from urllib.parse import parse_qs

import streamlit as st

from lgm_core.base.errors import result_or_why
from lgm_core.datasets.groups import Group
from lgm_core.runs.store import RunFolder
from pages.parts.theme import plain


def show_groups(run: RunFolder) -> None:
    """Nothing for a run whose data set is no collection of groups."""
    collection, why = result_or_why(run.collection)
    if why:
        st.warning(plain(why), icon=":material/broken_image:")
    if collection is None:
        return
    st.subheader("Groups", anchor=False)
    words, why = result_or_why(collection.words)
    mark, _ = result_or_why(collection.mark)
    if mark:
        st.warning(plain(mark), icon=":material/visibility:")
    st.caption(plain((words or why).removesuffix(f"; {mark}")))
    with st.container(horizontal=True):
        for group in collection.groups:
            _link(group)


def _link(group: Group) -> None:
    label = plain(f"{group.name}: {len(group.indices)} images")
    if not group.page:
        st.markdown(label)
        return
    query = parse_qs(group.query)
    st.page_link(f"pages/{group.page}.py", label=label, icon=":material/lasso_select:", query_params=query)
