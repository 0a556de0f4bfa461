"""Files and folders as the official client reads them."""

from __future__ import annotations

from spacehand.localhub.files.history import LastCommit
from spacehand.localhub.repos.snapshot import Entry
from spacehand.localhub.wire_time import from_unix


def entry(found: Entry, xet_hash: str | None, last: LastCommit | None = None) -> dict[str, object]:
    """*last* is there when the client asked for more than the list."""
    if found.is_dir:
        out: dict[str, object] = {"type": "directory", "oid": found.oid, "size": 0, "path": found.path}
    else:
        out = {"type": "file", "oid": found.oid, "size": found.size, "path": found.path}
    if found.lfs_sha256 is not None:
        out["lfs"] = {"oid": found.lfs_sha256, "size": found.size, "pointerSize": found.pointer_size}
    if xet_hash is not None:
        out["xetHash"] = xet_hash
    if last is not None:
        out["lastCommit"] = {"id": last.sha, "title": last.title, "date": from_unix(last.created)}
        if not found.is_dir:
            # Nothing here scans for viruses, and saying "safe" would be a lie.
            out["securityFileStatus"] = {"status": "unscanned", "avScan": None, "pickleImportScan": None}
    return out
