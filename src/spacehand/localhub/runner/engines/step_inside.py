"""
Becomes an image's command: enters its root file system, gives up every right, and starts it.

Runs as a program of its own under the relay, as root in a sandbox, with the standard library alone. The
command's environment comes as JSON in one variable: as the program's own it could act before rights are gone.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path

ENVIRONMENT = "APP_ENVIRONMENT"
_NO_NEW_PRIVILEGES = 38
_DROP_FROM_BOUNDING_SET = 24
_MOST_CAPABILITIES = 64


def account(uid: int) -> tuple[int, str]:
    """Return the group and the home folder that the image's own files give *uid*: as docker does it."""
    try:
        with Path("/etc/passwd").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                fields = line.rstrip("\n").split(":")
                if len(fields) > 5 and fields[2] == str(uid) and fields[3].isdecimal():
                    return int(fields[3]), fields[5]
    except OSError:
        pass
    return 0, "/"


def give_up_rights(uid: int, gid: int) -> None:
    """Become *uid* for good: without capabilities, and without a way to new ones."""
    library = ctypes.CDLL(None, use_errno=True)
    for capability in range(_MOST_CAPABILITIES):
        library.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the system does not let rights be given up")


def main(root: str, folder: str, uid: str, *command: str) -> None:
    """Become *command*, in *folder* of the file system at *root*."""
    environment = json.loads(os.environ[ENVIRONMENT])
    os.chroot(root)
    os.chdir(folder)
    gid, home = account(int(uid))
    environment.setdefault("HOME", home)
    give_up_rights(int(uid), gid)
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - the image's own command
    except OSError as error:
        sys.stderr.write(f"exec: `{command[0]}`: {error.strerror}\n")
        os._exit(127)


if __name__ == "__main__":
    main(*sys.argv[1:])
