"""Tests that run in the app's own environment, which has SciPy, nilearn and ONNX; see test_inside.py."""

from __future__ import annotations

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("nilearn") else ["test_*.py"]
