"""What the statistics app brings along."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LICENCES = """
import importlib.metadata, json
print(json.dumps({
    found.name: [
        found.metadata.get("License-Expression") or "",
        (found.metadata.get("License") or "").splitlines()[0:1],
        [text for text in found.metadata.get_all("Classifier") or [] if text.startswith("License")],
    ]
    for found in importlib.metadata.distributions()
}))
"""


def test_nothing_is_under_the_gpl(app_python: Path):
    """
    No package names the GPL, AGPL or LGPL as its licence; the ones that do the statistics are there.
    """
    done = subprocess.run([app_python, "-I", "-c", LICENCES], capture_output=True, text=True, check=True)
    licences = json.loads(done.stdout)
    assert {"statsmodels", "lifelines", "firthmodels", "shiny"} <= set(licences)
    named = {name: told for name, told in licences.items() if any(told)}
    assert len(named) > 0.9 * len(licences)
    assert not [name for name, told in named.items() if "GPL" in str(told) or "GNU" in str(told)]
