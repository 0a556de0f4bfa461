"""Where a Hub's data lies on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from spacehand.ids import RepoId

WEB_SOCKET = "web.sock"


@dataclass(frozen=True, slots=True)
class Place:
    """One Hub's data folder; every path in it is named here and nowhere else."""

    root: Path

    def create(self) -> None:
        """Make the folders that are missing; the root is closed to other users."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        for folder in (
            self.repos,
            self.lfs,
            self.xorbs,
            self.layers,
            self.spaces,
            self.buckets,
            self.incoming,
            self.sockets,
            self.door,
        ):
            folder.mkdir(exist_ok=True)
        self.sockets.chmod(0o700)
        self.door.chmod(0o755)

    @property
    def description(self) -> Path:
        """``hub.json``: url, pid, started, token_file."""
        return self.root / "hub.json"

    @property
    def last_port(self) -> Path:
        """The port the Hub had last, so that links and an exported HF_ENDPOINT stay true."""
        return self.root / "port"

    @property
    def mark(self) -> str:
        """Twelve characters that tell this Hub's containers and images from another's."""
        return hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:12]

    @property
    def images(self) -> Path:
        """Builds of container images under way, and images where they are not docker's."""
        return self.root / "images"

    @property
    def lock(self) -> Path:
        """Held by the one server that may use this folder."""
        return self.root / "hub.lock"

    @property
    def token_file(self) -> Path:
        """The owner's token, mode 0600."""
        return self.root / "token"

    @property
    def key_file(self) -> Path:
        """The key that encrypts secrets at rest, mode 0600."""
        return self.root / "secret.key"

    @property
    def database(self) -> Path:
        return self.root / "hub.sqlite"

    @property
    def log(self) -> Path:
        """The server's own log, when it runs detached."""
        return self.root / "hub.log"

    @property
    def repos(self) -> Path:
        """Bare git repositories: ``repos/<uid>.git``."""
        return self.root / "repos"

    @property
    def lfs(self) -> Path:
        """Large files as plain files by sha256: ``lfs/ab/cd/abcd…``."""
        return self.root / "lfs"

    def lfs_file(self, sha256: str) -> Path:
        """One large file."""
        return self.lfs / sha256[:2] / sha256[2:4] / sha256

    @property
    def xorbs(self) -> Path:
        """Packs of compressed chunks, as Xet clients send them: ``xorbs/ab/abcd…``."""
        return self.root / "xorbs"

    def xorb(self, xorb_hash: str) -> Path:
        """One pack of chunks."""
        return self.xorbs / xorb_hash[:2] / xorb_hash

    @property
    def incoming(self) -> Path:
        """Uploads on their way; emptied when the Hub starts."""
        return self.root / "incoming"

    @property
    def layers(self) -> Path:
        """Installed requirements, one read-only folder per hash of lock, Python and platform."""
        return self.root / "layers"

    @property
    def sockets(self) -> Path:
        """Where each running app listens, and its keeper."""
        return self.root / "sockets"

    @property
    def door(self) -> Path:
        """The folder that every sandbox is given; nothing but `socket` and `web_socket` is in it."""
        return self.root / "door"

    @property
    def socket(self) -> Path:
        """The Hub itself as a unix socket: how a sandboxed Space reaches it."""
        return self.door / "hub.sock"

    @property
    def buckets(self) -> Path:
        """The files of buckets, which Spaces may mount."""
        return self.root / "buckets"

    def bucket(self, uid: str) -> Path:
        """One bucket's files."""
        return self.buckets / uid

    @property
    def web_socket(self) -> Path:
        """The way to the web, where apps get one."""
        return self.door / WEB_SOCKET

    @property
    def spaces(self) -> Path:
        return self.root / "spaces"

    def space(self, space: RepoId) -> Path:
        """A Space's checkouts and logs."""
        return self.spaces / space.owner / space.name

    def git(self, uid: str) -> Path:
        return self.repos / f"{uid}.git"
