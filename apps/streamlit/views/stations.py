"""The stations beside each other."""

import counts
import streamlit as st

chosen = counts.chosen()
kind = chosen.day.dt.dayofweek.map(lambda day: "Weekend" if day > 4 else "Working day")
means = chosen.assign(kind=kind).pivot_table(index="station", columns="kind", values="bicycles")

st.title("Stations")
st.bar_chart(means, stack=False, horizontal=True, x_label="", y_label="Bicycles on an average day")
st.dataframe(means.round().astype("Int64"), width="stretch")
