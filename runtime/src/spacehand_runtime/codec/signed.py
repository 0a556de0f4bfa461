"""
Pickles with a seal: only what was written by somebody who has the key is ever loaded.

A pickle is a program. The seal is a keyed hash (BLAKE2b, RFC 7693) over all its bytes: whoever can write into
the cache's directory, but has not the key, cannot make one that runs.
"""

from __future__ import annotations

import hashlib
import hmac
import pickle
from collections.abc import Sequence
from typing import Any

from spacehand_runtime.codec.encoded import CorruptError, keep, uncacheable

_LEAST = 16  # bytes of a key that cannot be guessed

_signers: dict[str, Signer] = {}  # by name: a file tells which key sealed it


class Signer:
    """Seals pickles with *key*: at least 16 secret bytes, the same in all processes of a directory."""

    def __init__(self, key: str | bytes) -> None:
        secret = key.encode() if isinstance(key, str) else key
        if len(secret) < _LEAST:
            msg = f"The pickle key is shorter than {_LEAST} bytes"
            raise ValueError(msg)
        self._key = hashlib.blake2b(secret, person=b"spacehand pickle").digest()
        self.name = hashlib.blake2b(self._key, digest_size=8, person=b"spacehand name").hexdigest()
        _signers[self.name] = self

    def encode(self, value: object, buffers: list[Any]) -> dict[str, Any]:
        """
        Pickle *value*, and seal it.

        Raises:
            UncacheableError: it cannot be pickled.
        """
        try:
            data = pickle.dumps(value, protocol=5)
        except Exception as error:  # whatever its own code raises
            raise uncacheable(type(value), f"cannot be pickled ({error})") from error
        return {"$": "pickle", "at": keep(buffers, data), "by": self.name, "seal": self._seal(data)}

    def opens(self, data: Any, seal: str) -> bool:
        """Whether *seal* is ours, over exactly *data*."""
        return hmac.compare_digest(seal, self._seal(data))

    def _seal(self, data: Any) -> str:
        return hashlib.blake2b(data, key=self._key, digest_size=32).hexdigest()


def decode(tree: Any, buffers: Sequence[memoryview]) -> Any:
    """
    Load a pickle whose seal is whole.

    Raises:
        CorruptError: no key of this process sealed it, or it is another now, or its class is gone.
    """
    data, signer = buffers[tree["at"]], _signers.get(tree["by"])
    if signer is None or not signer.opens(data, str(tree["seal"])):
        raise CorruptError("A pickle without our seal")
    try:
        return pickle.loads(data)  # noqa: S301 - it is our own
    except Exception as error:
        raise CorruptError("The pickle's class is another now") from error
