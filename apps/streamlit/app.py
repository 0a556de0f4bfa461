"""A dashboard of several pages; the choice beside them, and the notes, stay from one page to the next."""

import counts
import streamlit as st

st.set_page_config(page_title="Bicycles counted", page_icon="🚲", layout="wide")
page = st.navigation(
    [
        st.Page("views/overview.py", title="Overview", icon=":material/monitoring:", default=True),
        st.Page("views/stations.py", title="Stations", icon=":material/bar_chart:"),
        st.Page("views/notes.py", title="Notes", icon=":material/edit_note:"),
        st.Page("views/space.py", title="This Space", icon=":material/memory:"),
    ]
)
counts.choose()
page.run()
