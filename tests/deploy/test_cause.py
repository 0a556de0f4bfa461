from __future__ import annotations

import pytest

from spacehand.deploy.cause import cause


@pytest.mark.parametrize(
    ("log", "telling"),
    [
        (
            """Collecting gradio==3.50.2
ERROR: Cannot install gradio==3.50.2 and gradio==6.19.0: these have conflicting dependencies.
ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/
--> ERROR: process "/bin/sh -c pip install" did not complete successfully: exit code: 1""",
            "ResolutionImpossible",
        ),
        (
            """ERROR: Could not find a version that satisfies the requirement torhc (from versions: none)
ERROR: No matching distribution found for torhc""",
            "No matching distribution found for torhc",
        ),
        (
            """Traceback (most recent call last):
  File "/app/app.py", line 1, in <module>
    import numpyy
ModuleNotFoundError: No module named 'numpyy'
""",
            "ModuleNotFoundError: No module named 'numpyy'",
        ),
        (
            """error: No solution found when resolving dependencies
  cause: Because there is no version of torhc and you require torhc, we can conclude that it is unsatisfiable.
ERROR: ResolutionImpossible: the requirements and the SDK's version exclude each other""",
            "no version of torhc",
        ),
        ("error: failed to solve: dockerfile parse error on line 8: unknown instruction: gcc", "line 8"),
        ("loading\nMemory limit exceeded (16Gi)\nExit code 137", "Memory limit exceeded"),
        ("just\nstopped here\n\n", "stopped here"),
    ],
)
def test_the_telling_line_is_found(log: str, telling: str) -> None:
    """Of a whole log people read the one line that says why."""
    found = cause(log.splitlines())
    assert found is not None
    assert telling in found


def test_an_empty_log_has_no_cause() -> None:
    """Nothing is made up."""
    assert cause([]) is None
