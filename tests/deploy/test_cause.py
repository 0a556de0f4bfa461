from __future__ import annotations

import pytest

from spacehand.deploy.cause import cause, last_words


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


FRAME = '  File "/opt/venv/lib/python3.11/site-packages/{}.py", line 1, in f\n    f()\n'


@pytest.mark.parametrize("depth", [0, 3, 20])
def test_the_end_of_a_log_holds_the_apps_own_line_and_the_error(depth: int) -> None:
    """However deep a library's traceback goes, the line of app.py that began it is shown."""
    log = (
        "loading\nTraceback (most recent call last):\n"
        '  File "/app/app.py", line 7, in <module>\n    load()\n'
        + "".join(FRAME.format(number) for number in range(depth))
        + "\x1b[31mOSError: no weights\x1b[0m\n[spacehand] Exit code: 1. Reason: OSError: no weights\n"
    )

    words = last_words(log.splitlines())

    assert words[:2] == ('  File "/app/app.py", line 7, in <module>', "    load()")
    assert words[-1] == "OSError: no weights"
    assert len(words) <= 15
    assert ("  …" in words) == (depth == 20)


def test_the_end_of_a_log_without_a_traceback_is_its_last_lines() -> None:
    """What the Hub itself writes around them does not count."""
    log = [
        *(f"line {number}" for number in range(40)),
        "DONE 0.1s",
        '"GET / HTTP/1.1" 200 -',
        '--> ERROR: process "x"',
    ]
    assert last_words(log) == tuple(f"line {number}" for number in range(25, 40))
    assert last_words([]) == ()
