"""The guide's examples."""

import re
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs/guides/runtime.md"
FRAMEWORKS = ("import gradio", "from shiny", "import streamlit")


def test_the_guides_examples_run(tmp_path):
    """
    Read from top to bottom, each does what it says; those of frameworks are valid Python.
    """
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    plain = [block for block in blocks if not any(name in block for name in FRAMEWORKS)]
    for block in blocks:
        compile(block, str(GUIDE), "exec")
    (tmp_path / "guide.py").write_text("\n".join(plain))

    done = subprocess.run(
        [sys.executable, "guide.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert len(plain) >= 8
