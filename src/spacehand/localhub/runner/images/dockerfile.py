"""A Dockerfile, read as far as a Hub has to know it; the build itself is a tool's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_INSTRUCTIONS = frozenset(
    re.findall(
        r"\w+",
        "add arg cmd copy entrypoint env expose from healthcheck label maintainer onbuild run shell "
        "stopsignal user volume workdir",
    )
)
_DIRECTIVE = re.compile(r"#\s*([a-z]+)\s*=\s*(\S.*?)\s*\Z", re.IGNORECASE)
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\1")
_TAKES_HEREDOC = frozenset({"add", "copy", "run"})
_FLAG = re.compile(r"--[a-z][a-z0-9-]*(?:=\S*)?\s+")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::?-([^}]*))?\}|([A-Za-z_]\w*))")
_PAIR = re.compile(r"([A-Za-z_]\w*)=(\"[^\"]*\"|'[^']*'|\S*)")
_SECRET = re.compile(r"--mount=(\S*type=secret\S*)")
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?\Z", re.IGNORECASE)


class DockerfileError(Exception):
    """No tool could build from this; *line* counts from one."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"dockerfile parse error on line {line}: {reason}" if line else reason)
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction with its continued lines joined; *name* in capitals."""

    line: int
    name: str
    value: str


@dataclass(slots=True)
class _Stage:
    base: str
    user: str | None = None
    exposed: list[int] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)  # ENV and ARG, as far as they are told here


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """What the last stage will be."""

    bases: tuple[str, ...]  # images of all stages that are not stages themselves
    exposed: tuple[int, ...]  # TCP ports
    user: str | None  # as written; None: the base image's
    arguments: frozenset[str]  # names of ARGs
    secrets: frozenset[str]  # ids that RUN mounts

    @classmethod
    def parse(cls, text: str, given: Mapping[str, str] | None = None) -> Dockerfile:
        """
        Return what *text* says, with the build arguments *given*.

        Raises:
            DockerfileError: an unknown instruction, no instruction at all, or one before the first FROM.
        """
        reader = _Reader(dict(given or {}))
        for instruction in instructions(text):
            reader.read(instruction)
        return reader.done()


def instructions(text: str) -> Iterator[Instruction]:
    """
    Yield the instructions of a Dockerfile in order.

    Raises:
        DockerfileError: an instruction that does not exist.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    escape, at = _escape(lines), 0
    while at < len(lines):
        first, whole = at + 1, ""
        while at < len(lines):
            line = lines[at].strip() if not whole else lines[at].rstrip()
            at += 1
            if not line.strip() or line.lstrip().startswith("#"):
                if whole:
                    continue  # a comment, or an empty line, between continued lines
                first = at + 1
                continue
            if not line.endswith(escape):
                whole += line
                break
            whole += line[:-1]
        if not whole.strip():
            continue
        name, _, value = whole.strip().partition(" ")
        if name.lower() not in _INSTRUCTIONS:
            name = whole.split(None, 1)[0]
            if name.lower() not in _INSTRUCTIONS:
                raise DockerfileError(first, f"unknown instruction: {name}")
            value = whole.strip()[len(name) :]
        if name.lower() in _TAKES_HEREDOC:
            at = _after_heredocs(lines, at, first, value)
        yield Instruction(first, name.upper(), value.strip())


def _escape(lines: list[str]) -> str:
    for line in lines:
        found = _DIRECTIVE.match(line)
        if found is None:
            break
        if found.group(1).lower() == "escape":
            return found.group(2)
    return "\\"


def _after_heredocs(lines: list[str], at: int, first: int, value: str) -> int:
    for found in _HEREDOC.finditer(value):
        word = found.group(2)
        while at < len(lines) and lines[at].strip("\t ") != word:
            at += 1
        if at == len(lines):
            raise DockerfileError(first, "unterminated heredoc")
        at += 1
    return at


class _Reader:
    """Goes through a Dockerfile and remembers."""

    def __init__(self, given: dict[str, str]) -> None:
        self._given = given
        self._global: dict[str, str] = {}
        self._stages: dict[str, _Stage] = {}
        self._stage: _Stage | None = None
        self._bases: list[str] = []
        self._arguments: set[str] = set()
        self._secrets: set[str] = set()

    def read(self, instruction: Instruction) -> None:
        action = getattr(self, f"_{instruction.name.lower()}", None)
        if self._stage is None and instruction.name not in ("FROM", "ARG"):
            raise DockerfileError(instruction.line, "no build stage in current context")
        if not instruction.value:
            raise DockerfileError(instruction.line, f"{instruction.name} requires at least one argument")
        if action is not None:
            action(instruction)

    def done(self) -> Dockerfile:
        if self._stage is None:
            raise DockerfileError(0, "the Dockerfile has no instruction FROM")
        return Dockerfile(
            tuple(self._bases),
            tuple(dict.fromkeys(self._stage.exposed)),
            self._stage.user,
            frozenset(self._arguments),
            frozenset(self._secrets),
        )

    def _from(self, instruction: Instruction) -> None:
        words = self._expand(_FLAG.sub("", instruction.value), self._global).split()
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].lower() != "as"):
            raise DockerfileError(instruction.line, "FROM requires either one or three arguments")
        earlier = self._stages.get(words[0].lower())
        self._stage = _Stage(words[0])
        if earlier is not None:
            self._stage = _Stage(words[0], earlier.user, list(earlier.exposed), dict(earlier.known))
        elif words[0] != "scratch":
            self._bases.append(words[0])
        self._stages[str(len(self._stages))] = self._stage
        if len(words) == 3:
            self._stages[words[2].lower()] = self._stage

    def _arg(self, instruction: Instruction) -> None:
        known = self._stage.known if self._stage else self._global
        for word in instruction.value.split():
            name, equals, default = word.partition("=")
            self._arguments.add(name)
            if name in self._given:
                known[name] = self._given[name]
            elif equals:
                known[name] = self._expand(default.strip("\"'"), known)
            elif name in self._global:
                known[name] = self._global[name]

    def _env(self, instruction: Instruction) -> None:
        known = self._here.known
        pairs = _PAIR.findall(instruction.value)
        if "=" not in instruction.value.split()[0]:
            name, _, value = instruction.value.partition(" ")
            pairs = [(name, value.strip())]
        for name, value in pairs:
            known[name] = self._expand(value.strip("\"'"), known)

    def _expose(self, instruction: Instruction) -> None:
        for word in self._expand(instruction.value, self._here.known).split():
            found = _PORT.match(word)
            if found is None:
                if "$" in word:
                    continue  # told nowhere in this file
                raise DockerfileError(instruction.line, f"invalid port in EXPOSE: {word}")
            if (found.group(3) or "tcp").lower() == "tcp":
                first = int(found.group(1))
                self._here.exposed += range(first, int(found.group(2) or first) + 1)

    def _user(self, instruction: Instruction) -> None:
        self._here.user = self._expand(instruction.value, self._here.known)

    def _run(self, instruction: Instruction) -> None:
        for mount in _SECRET.findall(instruction.value):
            fields = dict(part.partition("=")[::2] for part in mount.split(","))
            if "id" in fields:
                self._secrets.add(fields["id"])

    @property
    def _here(self) -> _Stage:
        assert self._stage is not None  # noqa: S101 - `read` has seen to it
        return self._stage

    def _expand(self, text: str, known: Mapping[str, str]) -> str:
        def value(found: re.Match[str]) -> str:
            name = found.group(1) or found.group(3)
            return known.get(name, found.group(2) if found.group(2) is not None else found.group(0))

        return _VARIABLE.sub(value, text)
