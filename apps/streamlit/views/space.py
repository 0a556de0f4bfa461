"""What the Space was given to run on."""

import os

import counts
import streamlit as st

told = {
    "Space": os.environ.get("SPACE_ID", "not told"),
    "Processors": os.environ.get("CPU_CORES", "not told"),
    "Memory": os.environ.get("MEMORY", "not told"),
    "Variable ROLLING_DAYS": str(counts.ROLLING_DAYS),
    "Secret EXPORT_KEY": "set" if counts.EXPORT_KEY else "not set",
}

st.title("This Space")
st.table({"": told.keys(), "What it was given": told.values()})
