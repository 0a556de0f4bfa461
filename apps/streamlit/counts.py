"""The numbers behind every page: read once, then chosen from."""

import hashlib
import hmac
import os
from pathlib import Path

import pandas as pd
import streamlit as st

ROLLING_DAYS = int(os.environ.get("ROLLING_DAYS", "7"))  # a variable: everybody may see it
EXPORT_KEY = os.environ.get("EXPORT_KEY", "")  # a secret: used here, and shown nowhere
SOURCE = Path(__file__).with_name("counts.csv")


@st.cache_data
def everything() -> pd.DataFrame:
    """Return all counts: day, station, bicycles."""
    return pd.read_csv(SOURCE, parse_dates=["day"])


def choose() -> None:
    """Show the choice that holds for all pages, and keep what it leaves of the counts as `chosen`."""
    counts = everything()
    names = sorted(counts.station.unique())
    first, last = counts.day.min().date(), counts.day.max().date()
    with st.sidebar:
        stations = st.multiselect("Stations", names, default=names, key="stations")
        days = st.slider("Days", first, last, (first, last), key="days", format="D MMM")
    begin, end = (pd.Timestamp(day) for day in days)
    st.session_state.chosen = counts[counts.station.isin(stations) & counts.day.between(begin, end)]


def chosen() -> pd.DataFrame:
    """Return what the visitor chose; a page without any counts ends here, in words."""
    found: pd.DataFrame = st.session_state.chosen
    if found.empty:
        st.info("Choose at least one station, and some days")
        st.stop()
    return found


def daily(counts: pd.DataFrame) -> pd.DataFrame:
    """Return a column for each station and a row for each day."""
    return counts.pivot_table(index="day", columns="station", values="bicycles", aggfunc="sum")


def signature(content: bytes) -> str:
    """Return the signature of *content*, or an empty text where there is no key."""
    return hmac.new(EXPORT_KEY.encode(), content, hashlib.sha256).hexdigest() if EXPORT_KEY else ""
