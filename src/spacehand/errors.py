"""
Everything spacehand can say no to, drawn as a tree.

    SpacehandError                     exit 1
    ├── UsageError                     exit 2   wrong words on the command line, a missing folder
    ├── ConfigError                    exit 3   spacehand.toml, front matter, lint
    │   ├── FrontMatterError
    │   ├── ModelError                          a folder that is no model, or a broken one
    │   └── LeakedSecretError                   a secret in a file that would be uploaded
    ├── AuthError                      exit 4
    ├── PaymentError                   exit 5
    ├── QuotaError                     exit 5   too many requests: later the same one is answered
    ├── NotFoundError                  exit 6
    ├── BuildError                     exit 7   the build failed, requirements cannot resolve
    ├── UnhealthyError                 exit 8   the app exits, listens on the wrong port, or fails its probe
    ├── WaitTimeoutError               exit 9
    ├── ChangesPendingError            exit 10  with --detailed-exitcode
    ├── ConflictError                  exit 1   somebody else changed the same thing
    ├── DiskFullError                  exit 1
    ├── PortInUseError                 exit 1
    └── HubUnreachableError            exit 1
"""

from __future__ import annotations

DOCS = "docs/reference/errors.md"


class SpacehandError(Exception):
    """
    Base class; the command line prints these without a traceback.

    *where* names the file, line, Space or stage; *hint* is the next command or edit to try; *details* are
    the lines of a log that led to it. None may ever hold a secret's value.
    """

    code = "SH0001"
    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        details: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.details = details

    def to_json(self) -> dict[str, object]:
        """Return the ``error`` object that commands print with ``--json``."""
        return {
            "code": self.code,
            "exit": self.exit_code,
            "message": self.message,
            "where": self.where,
            "hint": self.hint,
            "details": list(self.details),
            "docs": f"{DOCS}#{self.code.lower()}",
        }


class UsageError(SpacehandError):
    """The command line, or a path on it, makes no sense."""

    code = "SH0002"
    exit_code = 2


class ConfigError(SpacehandError):
    """A file the user wrote says something that cannot be."""

    code = "SH0003"
    exit_code = 3


class FrontMatterError(ConfigError):
    """The YAML header of a README is not valid, or names a value the Hub refuses."""

    code = "SH0301"


class ModelError(ConfigError):
    """A folder is no trained model, or its weights cannot be read."""

    code = "SH0302"


class LeakedSecretError(ConfigError):
    """A file that would be uploaded holds a secret; the value is never repeated."""

    code = "SH0303"


class AuthError(SpacehandError):
    """The Hub does not accept the token, or it has no right here."""

    code = "SH0004"
    exit_code = 4


class PaymentError(SpacehandError):
    """The Hub asks for payment (402)."""

    code = "SH0005"
    exit_code = 5


class QuotaError(SpacehandError):
    """The Hub's rate limit or a quota is used up (429)."""

    code = "SH0501"
    exit_code = 5


class NotFoundError(SpacehandError):
    """No such repository, revision, file, command or template."""

    code = "SH0006"
    exit_code = 6


class BuildError(SpacehandError):
    """The Space's build failed."""

    code = "SH0007"
    exit_code = 7


class UnhealthyError(SpacehandError):
    """The Space was built, but the app does not answer as it should."""

    code = "SH0008"
    exit_code = 8


class WaitTimeoutError(SpacehandError):
    """Something was still moving when the time was up."""

    code = "SH0009"
    exit_code = 9


class ChangesPendingError(SpacehandError):
    """The plan has changes; only with ``--detailed-exitcode``."""

    code = "SH0010"
    exit_code = 10


class ConflictError(SpacehandError):
    """Somebody else changed the same thing in the meantime; nothing was overwritten."""

    code = "SH0101"


class DiskFullError(SpacehandError):
    """There is no room left on the disk; nothing half-written was kept."""

    code = "SH0102"


class PortInUseError(SpacehandError):
    """Another program listens on the port."""

    code = "SH0103"


class HubUnreachableError(SpacehandError):
    """No Hub answers at the endpoint."""

    code = "SH0104"
