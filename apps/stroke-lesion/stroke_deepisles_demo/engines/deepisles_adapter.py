"""
Calls DeepISLES' own Python interface; run by the Python 3.8 of its image, in its folder.

Nothing of this app can be imported here.
"""

import argparse
import os
import sys


def main():
    """Segment the images on the command line; the mask lies in ``--output``."""
    parser = argparse.ArgumentParser()
    for role in ("dwi", "adc", "output"):
        parser.add_argument("--" + role, required=True)
    parser.add_argument("--flair")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--skull_strip", action="store_true")
    parser.add_argument("--parallelize", action="store_false")  # as in DeepISLES: named, it is off
    asked = parser.parse_args()
    home = os.getcwd()  # noqa: PTH109
    sys.path.insert(0, home)
    from src.isles22_ensemble import IslesEnsemble

    IslesEnsemble().predict_ensemble(
        ensemble_path=home,
        input_dwi_path=asked.dwi,
        input_adc_path=asked.adc,
        input_flair_path=asked.flair,
        output_path=asked.output,
        fast=asked.fast,
        skull_strip=asked.skull_strip,
        parallelize=asked.parallelize,
    )


if __name__ == "__main__":
    main()
