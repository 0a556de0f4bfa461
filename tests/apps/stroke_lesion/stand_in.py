"""
Stands in for DeepISLES' container and obeys its contract; its first word says how it behaves.

Reads ``/app/data``, writes ``/app/data/results/lesion_msk.nii.gz``; flags have no values.
"""

import argparse
import gzip
import sys
import time
from pathlib import Path

DATA = Path("/app/data")
FIRST_VOXEL = 352  # bytes
LESION_DWI = 220.0  # of the images that tests make

behaviour = sys.argv.pop(1)
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--dwi_file_name", required=True)
parser.add_argument("--adc_file_name", required=True)
parser.add_argument("--flair_file_name")
for flag in ("--fast", "--skull_strip", "--save_team_outputs", "--results_mni"):
    parser.add_argument(flag, action="store_true")
parser.add_argument("--parallelize", action="store_false")
asked = parser.parse_args()

content = gzip.decompress((DATA / asked.dwi_file_name).read_bytes())
assert (DATA / asked.adc_file_name).is_file()
results = DATA / "results"
results.mkdir()
results.chmod(0o777)
if behaviour == "hang":
    time.sleep(3600)
if behaviour == "fails":
    sys.exit("RuntimeError: CUDA error: no kernel image is available for execution on the device")
if behaviour == "one-failed":
    print("NVAUTO: Killed\nReturning results from SEALS...")
if behaviour != "nothing":
    values = memoryview(content[FIRST_VOXEL:]).cast("f")
    found = [float(behaviour != "empty" and value > LESION_DWI) for value in values]
    mask = memoryview(bytearray(4 * len(found))).cast("f")
    for place, value in enumerate(found):
        mask[place] = value
    (results / "lesion_msk.nii.gz").write_bytes(gzip.compress(content[:FIRST_VOXEL] + mask.tobytes()))
