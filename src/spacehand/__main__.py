"""``python -m spacehand`` is the same as ``spacehand``."""

from spacehand.cli.main import main

main()
