"""
Stands in for DeepISLES' own Python interface, ``src/isles22_ensemble.py`` in its image.

Calls the brightest hundredth of the DWI a lesion, after the seconds that ``STAND_IN_SECONDS`` says.
"""

import gzip
import os
import time
from pathlib import Path

FIRST_VOXEL = 352  # bytes


class IslesEnsemble:
    """Takes what the real one takes, and leaves its file where the real one does."""

    def predict_ensemble(
        self,
        ensemble_path,
        input_dwi_path,
        input_adc_path,
        output_path,
        input_flair_path=None,
        fast=False,
        skull_strip=False,
        parallelize=True,
    ):
        assert Path(ensemble_path, "src").is_dir()
        assert Path(input_adc_path).is_file()
        time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")))
        content = gzip.decompress(Path(input_dwi_path).read_bytes())
        values = memoryview(content[FIRST_VOXEL:]).cast("f")
        least = sorted(values)[len(values) * 99 // 100]
        mask = memoryview(bytearray(4 * len(values))).cast("f")
        for place, value in enumerate(values):
            mask[place] = float(value > least)
        result = Path(output_path) / "lesion_msk.nii.gz"
        result.write_bytes(gzip.compress(content[:FIRST_VOXEL] + mask.tobytes(), 1))
