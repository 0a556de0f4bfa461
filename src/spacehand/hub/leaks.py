"""
Secrets in files that would be uploaded: found by file, line and rule; their value goes nowhere.

Two kinds of rule: keys that carry their maker's prefix (``hf_…``, ``AKIA…``), and words such as ``password``
with a value too random to be a name. Placeholders (``hf_xxx…``, ``<your token>``, ``${TOKEN}``) are none, and
a line that says ``spacehand: not a secret`` is believed.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from spacehand.errors import LeakedSecretError
from spacehand.hub._protocol import LocalFile

_WINDOW = 8 << 20  # bytes of a text file looked at together
_OVERLAP = 16 << 10  # longer than the longest secret, so that none is cut in two
_BINARY_LIMIT = 8 << 20  # bytes; a larger binary is weights or media, not a place where people leave keys
_SNIFF = 8 << 10
_HEADER_LIMIT = 100 << 20  # bytes; what the safetensors format allows for its header
_RANDOM = 3.5  # bits of entropy per character, from which a value next to `password` counts
_ALLOWED = b"spacehand: not a secret"


@dataclass(frozen=True, slots=True)
class Leak:
    """One secret: *file* as it would be named in the repository, *line* from 1 (0 in a binary file)."""

    file: str
    line: int
    rule: str

    @property
    def where(self) -> str:
        """``file:line``, or ``file`` where there are no lines."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    hints: tuple[bytes, ...]  # one of these is in every match: a plain search spares the pattern
    pattern: re.Pattern[bytes]


def _rule(name: str, hints: str, pattern: str) -> _Rule:
    compiled = re.compile(pattern.encode())
    return _Rule(name, tuple(hint.encode() for hint in hints.split()), compiled)


_START = r"(?<![A-Za-z0-9_])"  # a key begins here, not inside a longer name

_PREFIXED = (
    _rule(
        "hugging-face-token", "hf_ api_org_", _START + r"(?:hf|api_org)_([A-Za-z0-9]{20,64})(?![A-Za-z0-9_])"
    ),
    _rule("anthropic-key", "sk-ant-", _START + r"sk-ant-[a-z0-9]{2,12}-([A-Za-z0-9_-]{20,200})"),
    _rule("openrouter-key", "sk-or-", _START + r"sk-or-v1-([0-9a-f]{32,128})"),
    _rule(
        "openai-key",
        "sk-",
        _START + r"sk-(?:(?:proj|svcacct|admin|None)-([A-Za-z0-9_-]{20,220})|([A-Za-z0-9]{20,120}))",
    ),
    _rule("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", _START + r"gh[pousr]_([A-Za-z0-9]{30,255})"),
    _rule("github-fine-grained-token", "github_pat_", _START + r"github_pat_([A-Za-z0-9_]{30,255})"),
    _rule("gitlab-token", "glpat-", _START + r"glpat-([A-Za-z0-9_-]{20,300})"),
    _rule("aws-access-key", "AKIA ASIA", _START + r"(?:AKIA|ASIA)([A-Z0-9]{16})(?![A-Za-z0-9])"),
    _rule("google-api-key", "AIza", _START + r"AIza([A-Za-z0-9_-]{35})(?![A-Za-z0-9])"),
    _rule("google-oauth-secret", "GOCSPX-", _START + r"GOCSPX-([A-Za-z0-9_-]{20,64})"),
    _rule("slack-token", "xox xapp-", _START + r"(?:xox[abeoprs]|xapp)-([A-Za-z0-9-]{10,250})"),
    _rule(
        "slack-webhook",
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/]{20,120})",
    ),
    _rule(
        "discord-webhook",
        "/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/([0-9]{15,20}/[A-Za-z0-9_-]{30,120})",
    ),
    _rule("telegram-bot-token", ":AA", _START + r"[0-9]{8,10}:(AA[A-Za-z0-9_-]{33})(?![A-Za-z0-9_-])"),
    _rule("npm-token", "npm_", _START + r"npm_([A-Za-z0-9]{36})(?![A-Za-z0-9])"),
    _rule("pypi-token", "pypi-", _START + r"pypi-(A[A-Za-z0-9_-]{50,500})"),
    _rule("stripe-key", "_live_", _START + r"[sr]k_live_([A-Za-z0-9]{20,250})"),
    _rule("sendgrid-key", "SG.", _START + r"SG\.([A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64})"),
    _rule("replicate-token", "r8_", _START + r"r8_([A-Za-z0-9]{37,40})(?![A-Za-z0-9])"),
    _rule("groq-key", "gsk_", _START + r"gsk_([A-Za-z0-9]{40,64})"),
    _rule("xai-key", "xai-", _START + r"xai-([A-Za-z0-9]{60,120})"),
    _rule("databricks-token", "dapi", _START + r"dapi([0-9a-f]{32})(?![0-9A-Za-z])"),
    _rule("digitalocean-token", "_v1_", _START + r"do[opr]_v1_([0-9a-f]{64})"),
    _rule("azure-storage-key", "AccountKey=", r"AccountKey=([A-Za-z0-9+/]{60,90}={0,2})"),
    _rule("age-secret-key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1([A-Z0-9]{50,60})"),
    _rule(
        "json-web-token",
        "eyJ",
        _START + r"(eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})",
    ),
    _rule(
        "private-key",
        "PRIVATE",
        r"-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY(?: BLOCK)?-----(?:\\[rn]|[\s\"',+])*"
        r"((?:[A-Za-z-]+: [^\n]*\n\s*)*[A-Za-z0-9+/=]{20,})",
    ),
    _rule(
        "password-in-url",
        "://",
        r"(?<![A-Za-z])[a-z][a-z0-9+.-]{1,15}://[^\s/:@\"'<>{}$]{1,80}:"
        r"((?=[^@]*[0-9])[^\s/:@\"'<>{}$]{6,120})@[A-Za-z0-9\[]",
    ),
)

# A word that is followed by a secret, and what must stand before it: `api_key`, but not `primary_key`;
# `token` or `hf_token`, but not `pad_token`.
_WORDS = {
    b"secret": re.compile(rb""),
    b"password": re.compile(rb""),
    b"passwd": re.compile(rb""),
    b"passphrase": re.compile(rb""),
    b"credential": re.compile(rb""),
    b"key": re.compile(rb"(?:api|secret|access|account|private|signing|encryption|master)[_-]?\Z"),
    b"token": re.compile(
        rb"(?:[^a-z0-9_-]|^|(?:access|api|app|auth|bearer|bot|client|deploy|discord|gh|github|gitlab|hf|hub|hugging_?face|"
        rb"oauth|personal|private|pull|push|read|refresh|secret|session|slack|telegram|upload|user|wandb|write)[_-]?)\Z"
    ),
}
_ASSIGNED = re.compile(
    rb"s?(\\?[\"'])?[ \t]{0,4}(=>|:=|[:=]|[ \t])[ \t]{0,4}(?:str[ \t]{0,2}=[ \t]{0,2})?[bruf]?"
    rb"(\\?[\"'])?([A-Za-z0-9+/=_.~!@#%^&*?-]{12,200})(\\?[\"'])?"
)
# Where a space alone assigns: a Dockerfile's ENV and ARG, a netrc.
_SPACE_ASSIGNS = re.compile(rb"\s*(?:ENV|ARG|machine|login|set)\b", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    rb"(?i)(?:x{4,}|\*{3,}|\.{3,}|\xe2\x80\xa6|0{8,}|_{4,}|-{6,}|example|placeholder|redacted|dummy|changeme|"
    rb"change[_-]me|your[_-]?(?:own|api|hf|token|key|secret|password)|[_-]here\b|insert[_-]|replace[_-]|my[_-]?(?:token|key|secret)|fake|not[_-]?a)"
)
_CODE = frozenset(
    {".py", ".pyi", ".js", ".ts", ".jsx", ".tsx", ".ipynb", ".java", ".go", ".rs", ".c", ".cpp", ".r"}
)

_SECRET_FILE = re.compile(
    r"(?s)\.env(?:\..*)?|.*\.env|[._]netrc|\.pypirc|\.git-credentials|\.htpasswd|\.pgpass|id_(?:rsa|dsa|ecdsa|ed25519)|"
    r".*\.(?:pem|key|p12|pfx|jks|keystore|kdbx|ppk)|kaggle\.json|credentials\.json|client_secret.*\.json|"
    r"service[-_]account.*\.json"
)
_SECRET_PATHS = (".streamlit/secrets.toml", ".aws/credentials", ".docker/config.json", ".huggingface/token")
_HARMLESS_FILES = (".env.example", ".env.sample", ".env.template", ".env.dist", "example.env", "sample.env")


def scan(files: Sequence[LocalFile]) -> list[Leak]:
    """
    Return the secrets in *files*, in their order; of large binaries only the text in their header is read.

    Raises:
        OSError: a file cannot be read.
    """
    found: list[Leak] = []
    for file in files:
        leaks = {(leak.line, leak.rule): leak for leak in _scan_file(file)}
        prefixed = {line for line, rule in leaks if rule != "secret-value"}
        # `HF_TOKEN=hf_…` is one secret: the rule that names the maker wins.
        found.extend(
            leaks[key] for key in sorted(leaks) if key[1] != "secret-value" or key[0] not in prefixed
        )
    return found


def refuse(files: Sequence[LocalFile]) -> None:
    """
    Let *files* pass if they hold no secret.

    Raises:
        LeakedSecretError: they do; it names each file, line and rule.
    """
    leaks = scan(files)
    if not leaks:
        return
    named = "\n".join(f"  `{leak.where}` ({leak.rule})" for leak in leaks)
    subject = "A secret is" if len(leaks) == 1 else f"{len(leaks)} secrets are"
    raise LeakedSecretError(
        f"{subject} in what would be uploaded, and nothing was sent:\n{named}",
        where=", ".join(leak.where for leak in leaks),
        hint="Take it out of the file and revoke it where it was made; read it from the environment instead. "
        "If it is none, write `spacehand: not a secret` in a comment on that line",
    )


def is_secret_file(path: str) -> bool:
    """Whether a file of this name is there to hold secrets: ``.env``, ``id_rsa``, ``*.pem``."""
    whole, name = PurePosixPath(path).as_posix(), PurePosixPath(path).name.lower()
    if name in _HARMLESS_FILES:
        return False
    if any(whole == secret or whole.endswith(f"/{secret}") for secret in _SECRET_PATHS):
        return True
    return bool(_SECRET_FILE.fullmatch(name))


def _scan_file(file: LocalFile) -> Iterator[Leak]:
    suffix = PurePosixPath(file.path).suffix.lower()
    for text, line, lines in _texts(file, suffix):
        for start, rule in _matches(text, quoted=suffix in _CODE):
            yield Leak(file.path, line + text.count(b"\n", 0, start) if lines else 0, rule)


def _texts(file: LocalFile, suffix: str) -> Iterator[tuple[bytes, int, bool]]:
    """Yield pieces of text, the number of each piece's first line, and whether lines mean anything."""
    if file.content is not None or file.source is None:
        content = file.content or b""
        yield _decoded(content), 1, b"\0" not in content[:_SNIFF] or _is_utf16(content)
        return
    with file.source.open("rb") as stream:
        head = stream.read(_SNIFF)
        if suffix == ".safetensors":
            yield _safetensors_metadata(head, file.source), 0, False
        elif _is_utf16(head):
            yield _decoded(head + stream.read(_WINDOW)), 1, True
        elif b"\0" in head:
            if file.source.stat().st_size <= _BINARY_LIMIT:
                yield head + stream.read(), 0, False
        else:
            line = 1
            while head:
                piece = head + stream.read(_WINDOW - len(head))
                yield piece, line, True
                if len(piece) < _WINDOW:
                    return
                head = piece[-_OVERLAP:]
                line += piece.count(b"\n", 0, len(piece) - _OVERLAP)


def _matches(text: bytes, *, quoted: bool) -> Iterator[tuple[int, str]]:
    for rule in _PREFIXED:
        if any(hint in text for hint in rule.hints):
            for match in rule.pattern.finditer(text):
                if not _is_placeholder(match[match.lastindex or 0]) and not _is_allowed(text, match.start()):
                    yield match.start(), rule.name
    lowered = text.lower()
    for word, before in _WORDS.items():
        for start in _occurrences(lowered, word):
            assigned = _ASSIGNED.match(text, start + len(word))
            if assigned is None or not before.search(lowered[max(0, start - 24) : start]):
                continue
            if _is_secret_value(assigned, quoted=quoted) and not _is_allowed(text, start):
                yield assigned.start(4), "secret-value"


def _occurrences(text: bytes, word: bytes) -> Iterator[int]:
    start = text.find(word)
    while start >= 0:
        yield start
        start = text.find(word, start + 1)


def _is_secret_value(match: re.Match[bytes], *, quoted: bool) -> bool:
    separator, opened, value, closed = match[2], match[3], match[4], match[5]
    if (quoted and not opened) or (opened and not closed):
        return False  # in code, what is not quoted is a name or a call
    if not separator.strip() and not _SPACE_ASSIGNS.match(_line_of(match.string, match.start())):
        return False
    after = match.string[match.end() : match.end() + 1]
    if not opened and after and after not in b" \t\r\n,;}":
        return False  # `os.environ[`, `$(command)`, a name that goes on
    if _is_placeholder(value) or value.startswith(
        (b"http", b"/", b"./", b"../", b"~/", b"secrets.", b"env.")
    ):
        return False
    mixed = any(chr(letter).isdigit() for letter in value) and any(chr(letter).isalpha() for letter in value)
    return mixed and entropy(value) >= _RANDOM


def _is_placeholder(value: bytes) -> bool:
    return bool(_PLACEHOLDER.search(value))


def _is_allowed(text: bytes, start: int) -> bool:
    return _ALLOWED in _line_of(text, start)


def _line_of(text: bytes, start: int) -> bytes:
    end = text.find(b"\n", start)
    return text[text.rfind(b"\n", 0, start) + 1 : end if end >= 0 else len(text)]


def entropy(value: bytes) -> float:
    """Return Shannon's entropy of *value* in bits per character."""
    total = len(value)
    return -sum(count / total * math.log2(count / total) for count in Counter(value).values())


def _is_utf16(head: bytes) -> bool:
    return head.startswith((b"\xff\xfe", b"\xfe\xff"))


def _decoded(content: bytes) -> bytes:
    return content.decode("utf-16", "ignore").encode() if _is_utf16(content) else content


def _safetensors_metadata(head: bytes, source: Path) -> bytes:
    """Return the free text in a safetensors header, one ``key = value`` a line; in a broken one, none."""
    length = int.from_bytes(head[:8], "little")
    if length > _HEADER_LIMIT or b"__metadata__" not in head:
        # The format's writers put the metadata first; a header whose start lacks it has none.
        return b""
    with source.open("rb") as stream:
        stream.seek(8)
        try:
            metadata = json.loads(stream.read(length)).get("__metadata__", {})
        except (ValueError, AttributeError):
            return b""
    if not isinstance(metadata, dict):
        return b""
    return "\n".join(f"{key} = {value}" for key, value in metadata.items()).encode()
