"""The NiiVue that is shipped with this package: one file, named by its version and digest."""

from __future__ import annotations

from pathlib import Path

NIIVUE_VERSION = "0.69.0"
SHA256 = "bd73c6cd13fc4caa5e0bbddf1829b4c260f216b171e59924e25440e23c17fb57"

FOLDER = Path(__file__).parent / "static"
BUNDLE = FOLDER / f"niivue-{NIIVUE_VERSION}-{SHA256[:8]}.js"
