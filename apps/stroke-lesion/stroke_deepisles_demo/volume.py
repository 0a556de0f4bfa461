"""One image file, read with suspicion: it may come from anybody."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ImageError

if TYPE_CHECKING:
    import nibabel
    import numpy as np

LARGEST_FILE = 256 * 2**20  # bytes
LARGEST_IMAGE = 512 * 2**20  # bytes of its numbers once they are read
_MOST_PACKED = 1032  # to 1: deflate cannot do better
_SAVE_AGAIN = "Save it again as a 3-D NIfTI file (`.nii` or `.nii.gz`)"
_COPY_AGAIN = "Copy or export it once more"
_NEITHER = (Exception,)  # what nibabel raises for headers out of a fuzzer is no short list


@dataclass(frozen=True)
class Image:
    """A 3-D image: its *values* as float32, where they lie in mm, and what had to be said of it."""

    values: np.ndarray
    affine: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def voxel_ml(self) -> float:
        """The volume of one voxel, in millilitres."""
        import numpy as np

        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """The edges of one voxel, in millimetres."""
        import numpy as np

        edges = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return (float(edges[0]), float(edges[1]), float(edges[2]))


def read_image(path: Path, called: str) -> Image:
    """
    Return the image in *path*, which messages name as *called* (``DWI``).

    The header is checked before a number is read. Of a 4-D image with one or two volumes the last is
    taken, as DeepISLES does.

    Raises:
        ImageError: it is missing, no NIfTI file, truncated, too large, or has too many dimensions.
    """
    _check_file(path, called)
    image = _open(path, called)
    shape = _checked_shape(image, called)
    affine = _checked_affine(image, called)
    _check_room(path, image, shape, called)
    values = _numbers(image, called)
    notes: list[str] = []
    if values.ndim == 4:
        if values.shape[3] == 2:
            notes.append(f"The {called} has 2 volumes; the last one is used")
        values = values[..., -1]
    return Image(values, affine, tuple(notes))


def _check_file(path: Path, called: str) -> None:
    if path.is_dir():
        raise ImageError(
            f"The {called} is a folder, perhaps of DICOM files",
            hint="Convert the series first: `dcm2niix -z y FOLDER`",
        )
    if not path.is_file():
        raise ImageError(f"The {called} is missing", hint="Choose a `.nii` or `.nii.gz` file")
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        hint = "Convert it first: `dcm2niix -z y FOLDER`" if _is_dicom(path) else _SAVE_AGAIN
        raise ImageError(f"The {called} is `{path.name}`, which is no NIfTI file", hint=hint)
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise ImageError(
            f"The {called} has {size / 2**20:.0f} MB; up to {LARGEST_FILE // 2**20} MB are taken",
            hint="Crop it, or save it with fewer bits a voxel",
        )


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _open(path: Path, called: str) -> nibabel.spatialimages.SpatialImage:
    import nibabel

    _check_gzip(path, called)
    try:
        return nibabel.load(path)
    except _NEITHER as error:
        raise ImageError(f"The {called} has no readable NIfTI header", hint=_SAVE_AGAIN) from error


def _check_gzip(path: Path, called: str) -> None:
    """Raise for a file that only has the name of a compressed one, or of one that is not."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    if path.name.lower().endswith(".gz") and not is_gzip:
        raise ImageError(
            f"The {called} is named `.gz`, but is not compressed",
            hint="Give it the name that it had, or compress it with `gzip`",
        )


def _checked_shape(image: Any, called: str) -> tuple[int, ...]:
    shape = tuple(int(length) for length in image.shape)
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 2)):
        raise ImageError(
            f"The {called} has {len(shape)} dimensions ({' × '.join(map(str, shape)) or 'none'}); "
            "3 are expected, or one or two volumes",
            hint="Take the volume with the highest b-value: `fslroi IN OUT INDEX 1`",
        )
    if min(shape[:3]) < 2 or max(shape) > 4096:
        raise ImageError(
            f"The {called} is said to be {' × '.join(map(str, shape))} voxels large", hint=_SAVE_AGAIN
        )
    return shape


def _checked_affine(image: Any, called: str) -> np.ndarray:
    import numpy as np

    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or not 1e-6 < abs(np.linalg.det(affine[:3, :3])) < 1e6:
        raise ImageError(
            f"The header of the {called} does not say where its voxels lie (its affine is not usable)",
            hint="Set it from the original series, or convert that once more with `dcm2niix`",
        )
    return affine


def _check_room(path: Path, image: Any, shape: tuple[int, ...], called: str) -> None:
    """Raise before numbers are read that the header promises and the file cannot hold."""
    type_ = image.get_data_dtype()
    if type_.kind not in "iuf":
        raise ImageError(f"The {called} holds no plain numbers (`{type_}`)", hint=_SAVE_AGAIN)
    promised = math.prod(shape) * type_.itemsize
    if math.prod(shape) * 4 > LARGEST_IMAGE:
        raise ImageError(
            f"The {called} claims {math.prod(shape) * 4 / 2**30:.1f} GB of numbers, more than the "
            f"{LARGEST_IMAGE / 2**30:.1f} GB that are taken",
            hint="If it is smaller than that, its header is damaged: " + _COPY_AGAIN.lower(),
        )
    size = path.stat().st_size
    most = size * _MOST_PACKED if path.suffix.lower() == ".gz" else size
    if promised > most:
        raise ImageError(
            f"The {called} is cut short: {promised:,} bytes of numbers are promised, the file has {size:,}",
            hint=_COPY_AGAIN,
        )


def _numbers(image: Any, called: str) -> np.ndarray:
    import numpy as np

    try:
        with np.errstate(all="ignore"):
            return np.asarray(image.dataobj, dtype=np.float32)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ImageError(f"The {called} is cut short or damaged", hint=_COPY_AGAIN) from error
    except _NEITHER as error:
        raise ImageError(f"The numbers of the {called} cannot be read", hint=_SAVE_AGAIN) from error


def write_mask(mask: np.ndarray, affine: np.ndarray, path: Path, *, says: str) -> None:
    """Write *mask* to *path* as 0 and 1; *says*, at most 79 letters, is kept in its header."""
    import nibabel
    import numpy as np

    image = nibabel.Nifti1Image(mask.astype(np.uint8), affine)
    image.header["descrip"] = says.encode()[:79]
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
