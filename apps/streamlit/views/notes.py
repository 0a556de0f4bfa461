"""What the visitor noted; it stays while the page is open, whichever page is looked at."""

import streamlit as st

notes: list[str] = st.session_state.setdefault("notes", [])

st.title("Notes")
with st.form("note", clear_on_submit=True):
    text = st.text_input("A note about what you see", max_chars=200)
    if st.form_submit_button("Keep it") and text.strip():
        notes.append(text.strip())

if not notes:
    st.caption("Nothing noted yet. Notes stay while you go through the pages, and end with this visit")
for number, note in enumerate(notes):
    said, button = st.columns([6, 1], vertical_alignment="center")
    said.text(note)
    if button.button("Remove", key=f"remove-{number}", help=f"Remove the note: {note}"):
        notes.pop(number)
        st.rerun()
