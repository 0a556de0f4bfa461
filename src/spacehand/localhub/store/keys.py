"""Secrets at rest: encrypted with a key that lies beside the database, readable by its owner alone."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet


class Keys:
    """Encrypts and decrypts small texts with the key in *path*, made at first use (mode 0600)."""

    def __init__(self, path: Path) -> None:
        self._fernet = Fernet(_load_or_create(path))

    def encrypt(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def decrypt(self, token: bytes) -> str:
        return self._fernet.decrypt(token).decode()


def _load_or_create(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    return path.read_bytes()
