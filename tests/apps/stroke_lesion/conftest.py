"""The stroke app, as a Space has it on its path."""

from __future__ import annotations

import sys
from pathlib import Path

APP = Path(__file__).parents[3] / "apps" / "stroke-lesion"
sys.path.insert(0, str(APP))
