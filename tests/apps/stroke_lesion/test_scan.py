"""What the app says to images: those it takes, and those it refuses."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from stroke_deepisles_demo.errors import ImageError
from stroke_deepisles_demo.scan import read_scan
from stroke_deepisles_demo.volume import read_image
from tests.apps.stroke_lesion.images import AFFINE, HEALTHY_ADC, SHAPE, head, save


@pytest.fixture
def dwi(tmp_path: Path) -> Path:
    return save(head().dwi, tmp_path / "dwi.nii.gz")


@pytest.mark.parametrize(("factor", "says"), [(1, None), (1e-3, "10⁻³ mm²/s"), (1e-6, "in mm²/s")])
def test_the_unit_of_the_adc_is_recognised(dwi: Path, tmp_path: Path, factor: float, says: str | None):
    """
    Whatever unit the ADC map is in, it is read in 10⁻⁶ mm²/s, and the conversion is said.
    """
    adc = save((head().adc * factor).astype("float32"), tmp_path / "adc.nii.gz")

    scan = read_scan(dwi, adc)

    assert np.median(scan.adc[scan.adc > 0]) == pytest.approx(HEALTHY_ADC, rel=0.01)
    assert any(says in note for note in scan.notes) if says else not scan.notes


def test_headers_that_differ_a_little_are_said(dwi: Path, tmp_path: Path):
    """
    An ADC whose header places it half a millimetre off is taken on the DWI's grid, and this is said.
    """
    moved = AFFINE.copy()
    moved[0, 3] += 0.5

    scan = read_scan(dwi, save(head().adc, tmp_path / "adc.nii.gz", moved))

    assert "0.5 mm apart" in scan.notes[0]
    assert np.array_equal(scan.affine, AFFINE)


def test_the_last_of_two_volumes_counts(tmp_path: Path):
    """
    A DWI with two volumes is read as DeepISLES reads it: its last one.
    """
    both = np.stack([np.ones(SHAPE), head().dwi], axis=-1).astype("float32")

    image = read_image(save(both, tmp_path / "dwi.nii.gz"), "DWI")

    assert np.array_equal(image.values, head().dwi)
    assert "2 volumes" in image.notes[0]


def write_text(path: Path) -> None:
    path.write_text("This is no image. " * 100)


def write_packed_text(path: Path) -> None:
    path.write_bytes(gzip.compress(b"This is no image. " * 100))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def make_five_dimensional(path: Path) -> None:
    save(head().dwi[..., None, None] * np.ones((1, 1, 1, 2, 2), "float32"), path)


def make_directions(path: Path) -> None:
    save(np.repeat(head().dwi[..., None], 7, axis=-1), path)


def fill_with_nan(path: Path) -> None:
    save(np.full(SHAPE, np.nan, "float32"), path)


def sprinkle_nan(path: Path) -> None:
    values = head().dwi
    values[10:30] = np.nan
    save(values, path)


def claim_two_gigabytes(path: Path) -> None:
    """Say in the header that there are 1000 × 1000 × 1000 voxels."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[40:56] = struct.pack("<8h", 3, 1000, 1000, 1000, 1, 1, 1, 1)
    path.write_bytes(gzip.compress(bytes(content)))


def lose_the_affine(path: Path) -> None:
    broken = np.diag([2.0, 2.0, 0.0, 1.0])
    save(head().dwi, path)
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[252:256] = struct.pack("<2h", 0, 1)  # only the affine of the header counts
    content[280:328] = struct.pack("<12f", *broken[:3].ravel())
    path.write_bytes(gzip.compress(bytes(content)))


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "IM0001").write_bytes(b"\0" * 128 + b"DICM")


def make_empty(path: Path) -> None:
    save(np.zeros(SHAPE, "float32"), path)


BROKEN = [
    (write_text, "is named `.gz`, but is not compressed", "name that it had"),
    (write_packed_text, "no readable NIfTI header", "3-D NIfTI"),
    (cut_short, "cut short or damaged", "once more"),
    (make_five_dimensional, "5 dimensions", "fslroi"),
    (make_directions, "4 dimensions", "fslroi"),
    (fill_with_nan, "hold no number (NaN)", "ADC map again"),
    (sprinkle_nan, "hold no number (NaN)", "ADC map again"),
    (claim_two_gigabytes, "claims 3.7 GB of numbers", "header is damaged"),
    (lose_the_affine, "does not say where its voxels lie", "dcm2niix"),
    (make_a_folder, "a folder, perhaps of DICOM files", "dcm2niix"),
    (make_empty, "DWI is empty", "export it once more"),
]


@pytest.mark.parametrize(("damage", "says", "next_step"), BROKEN)
def test_what_is_wrong_is_said_with_the_next_step(
    dwi: Path, tmp_path: Path, damage, says: str, next_step: str
):
    """
    An image that cannot be used is one sentence, and what to do about it.
    """
    adc = save(head().adc, tmp_path / "adc.nii.gz")
    damage(dwi)

    with pytest.raises(ImageError) as refused:
        read_scan(dwi, adc)

    assert says in refused.value.message
    assert next_step in (refused.value.hint or "")


def test_images_that_do_not_fit_together_are_refused(dwi: Path, tmp_path: Path):
    """
    Other shapes, a far-off place and interchanged files are told apart.
    """
    smaller = save(head().adc[:-1], tmp_path / "smaller.nii.gz")
    elsewhere = AFFINE.copy()
    elsewhere[2, 3] += 50
    far = save(head().adc, tmp_path / "far.nii.gz", elsewhere)
    other = save(head().adc * 1000, tmp_path / "other.nii.gz")

    for adc, says in (
        (smaller, "40 × 40 × 30 and 39 × 40 × 30"),
        (far, "50 mm apart"),
        (other, "no usual unit"),
    ):
        with pytest.raises(ImageError, match=says):
            read_scan(dwi, adc)


def test_a_plain_file_that_lies_is_caught_before_it_is_read(tmp_path: Path):
    """
    An uncompressed file has to be as long as its header says.
    """
    path = save(head().dwi, tmp_path / "dwi.nii")
    path.write_bytes(path.read_bytes()[:5000])

    with pytest.raises(ImageError, match="cut short: 192,000 bytes"):
        read_image(path, "DWI")


def test_a_dicom_file_is_recognised(tmp_path: Path):
    """
    A single DICOM file is told how to become NIfTI.
    """
    path = tmp_path / "IM0001.dcm"
    path.write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 100)

    with pytest.raises(ImageError) as refused:
        read_image(path, "DWI")

    assert "dcm2niix" in str(refused.value)
