"""How many there were, and how that went over time."""

import counts
import streamlit as st

chosen = counts.chosen()
days = counts.daily(chosen)
total = days.sum(axis=1)

st.title("Bicycles counted")
for place, (label, value) in zip(
    st.columns(3),
    {
        "Bicycles": f"{total.sum():,.0f}",
        "On an average day": f"{total.mean():,.0f}",
        "Busiest day": f"{total.idxmax():%a, %d %b}",
    }.items(),
    strict=True,
):
    place.metric(label, value, border=True)

st.subheader(f"Every day, smoothed over {counts.ROLLING_DAYS} days")
st.line_chart(
    days.rolling(counts.ROLLING_DAYS, min_periods=1).mean(), x_label="Day", y_label="Bicycles a day"
)

content = chosen.to_csv(index=False).encode()
st.download_button("Download what is chosen", content, "bicycles.csv", "text/csv", icon=":material/download:")
if signed := counts.signature(content):
    st.caption(f"Signature of the file: `{signed}`")
