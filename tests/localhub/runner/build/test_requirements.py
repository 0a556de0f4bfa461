"""What a requirement may do decides where it is read."""

from __future__ import annotations

import pytest

from spacehand.localhub.runner.build import requirements


@pytest.mark.parametrize(
    "line",
    [
        "six",
        "six==1.17.0",
        "six >= 1.16, < 2 ; python_version < '4'",
        "uvicorn[standard]~=0.30",
        "torch==2.4.0+cpu",
        "six (>=1.0)",
        "six==1.17.0 --hash=sha256:00ff --hash=sha256:11ee",
        "six @ https://x.example/six-1.17.0-py2.py3-none-any.whl#sha256=00ff",
        "https://x.example/six-1.17.0-py2.py3-none-any.whl",
    ],
)
def test_packages_of_an_index_and_wheels_are_plain(line: str):
    """
    What only has to be downloaded and unpacked may be solved without a sandbox.
    """
    assert requirements.is_plain(line)


@pytest.mark.parametrize(
    "line",
    [
        "six @ git+https://github.com/benjaminp/six",
        "git+https://github.com/benjaminp/six",
        "https://x.example/six-1.17.0.tar.gz",
        "six @ file:///tmp/six-1.17.0-py2.py3-none-any.whl",
        "/tmp/six-1.17.0-py2.py3-none-any.whl",
        "./six",
        "-e .",
        "-r /etc/passwd",
        "-c /etc/passwd",
        "--find-links /tmp",
        "six @ https://x.example/${UV_INDEX_URL}/six-1.17.0-py3-none-any.whl",
    ],
)
def test_code_and_files_are_not_plain(line: str):
    """
    What may run a stranger's code or read a file of this machine is neither a plain package nor a place.
    """
    assert not requirements.is_plain(line)
    assert not requirements.is_place(line)


def test_lines_are_read_as_pip_reads_them():
    """
    Comments go, continued lines are joined, and a fragment of a URL is no comment.
    """
    text = "# all\nsix==1 \\\n  --hash=sha256:00 # why\r\n\n-i https://x.example/#a\n"
    assert list(requirements.lines(text)) == ["six==1    --hash=sha256:00", "-i https://x.example/#a"]


def test_packages_without_wheels_are_found_in_what_uv_says():
    """
    Both ways in which uv refuses to build name the package.
    """
    said = [
        "hint: Wheels are required for `evil` because building from source is disabled for all packages",
        "  cause: Building source distributions for `My_Thing` is disabled",
    ]
    assert requirements.without_wheel(said) == {"evil", "my-thing"}


def test_a_lock_joined_to_an_earlier_one_wins():
    """
    What was installed before stays, except where the later installation brings its own version.
    """
    assert requirements.joined("six==1\nMy_Thing==2\n", "my-thing==3\n") == "my-thing==3\nsix==1\n"
