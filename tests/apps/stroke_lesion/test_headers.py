"""Headers as an enemy writes them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stroke_deepisles_demo.errors import ImageError
from stroke_deepisles_demo.volume import Image, read_image
from tests.apps.stroke_lesion.images import save

HEADER = 352  # bytes, with the mark of extensions


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = save(np.ones((4, 5, 6), "float32"), tmp_path_factory.mktemp("fuzz") / "image.nii.gz")
    return gzip.decompress(path.read_bytes())


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.dictionaries(st.integers(0, HEADER - 1), st.integers(0, 255), min_size=1, max_size=24),
    keep=st.integers(0, 900),
    packed=st.booleans(),
)
@pytest.mark.filterwarnings("ignore")  # of nibabel and NumPy, on what the header says
def test_no_header_does_more_than_be_refused(
    whole: bytes, tmp_path: Path, changes: dict[int, int], keep: int, packed: bool
):
    """
    Whatever a header says, the image is read or refused in words; no other exception, no gigabytes.
    """
    content = bytearray(whole)
    for place, value in changes.items():
        content[place] = value
    cut = bytes(content[:keep]) if keep < HEADER else bytes(content)
    path = tmp_path / ("image.nii.gz" if packed else "image.nii")
    path.write_bytes(gzip.compress(cut) if packed else cut)

    outcome = read_or_refused(path)

    if isinstance(outcome, ImageError):
        assert outcome.message
        assert outcome.hint
    else:
        assert outcome.values.ndim == 3
        assert outcome.values.dtype == np.float32


def read_or_refused(path: Path) -> Image | ImageError:
    try:
        return read_image(path, "DWI")
    except ImageError as error:
        return error
