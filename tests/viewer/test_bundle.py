"""The NiiVue that is shipped."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gradio_niivue import NIIVUE_VERSION, _bundle
from tests.viewer.conftest import VIEWER


def test_is_the_one_that_its_name_says():
    """
    The bundle has the digest that the code names and the version that its lock asks for, and is the only one.
    """
    lock = json.loads((VIEWER / "tools/bundle/package-lock.json").read_text())

    assert hashlib.sha256(_bundle.BUNDLE.read_bytes()).hexdigest() == _bundle.SHA256
    assert [path.name for path in _bundle.FOLDER.glob("*.js")] == [_bundle.BUNDLE.name]
    assert lock["packages"]["node_modules/@niivue/niivue"]["version"] == NIIVUE_VERSION


def test_fetches_and_evaluates_nothing():
    """
    The bundle imports no other module, evaluates no text as code and starts no worker, and stays slim.
    """
    code = _bundle.BUNDLE.read_text()

    assert not re.search(r"\beval\(|new Function\(|new Worker\(|\bimport\(|^import\b", code)
    assert len(code) < 1_000_000


def test_names_every_licence_of_what_it_holds():
    """
    The licence texts that are shipped are those of NiiVue and of each package that is in the bundle.
    """
    text = (_bundle.FOLDER / "LICENSES.txt").read_text()
    names = set(re.findall(r"^==== (\S+) ", text, flags=re.MULTILINE))

    assert {"@niivue/niivue", "nifti-reader-js", "gl-matrix", "fflate", "array-equal"} <= names
    assert text.count("Copyright") >= len(names)
    assert "Copyright (c) 2021, Niivue" in text


@pytest.mark.slow
def test_is_in_the_wheel(tmp_path: Path):
    """
    The wheel holds the bundle, its licences and the page's parts, and nothing that Gradio wrote beside them.
    """
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", tmp_path, VIEWER], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()

    wanted = {"viewer.js", "viewer.css", "viewer.html", "py.typed", f"static/{_bundle.BUNDLE.name}"}
    assert {f"gradio_niivue/{name}" for name in wanted | {"static/LICENSES.txt"}} <= set(names)
    assert [name for name in names if name.endswith("/LICENSES.txt") and ".dist-info/" in name]
    assert not [name for name in names if name.endswith(".pyi")]
