"""The lines of a log that led to an error are shown with it."""

from __future__ import annotations

import io
import json

from spacehand.cli.terminal import Terminal
from spacehand.errors import UnhealthyError


def test_details_stand_between_the_error_and_its_hint() -> None:
    """A person sees them indented; a program gets them as a list."""
    out, err = io.StringIO(), io.StringIO()
    terminal = Terminal("deploy", json_output=True, stdout=out, stderr=err)

    terminal.fail(UnhealthyError("It ended", where="ada/demo", hint="Mend it", details=("line 7", "  boom")))

    assert err.getvalue() == ("error: It ended\n  at ada/demo\n\n    line 7\n      boom\n\nhint: Mend it\n")
    assert json.loads(out.getvalue())["error"]["details"] == ["line 7", "  boom"]
