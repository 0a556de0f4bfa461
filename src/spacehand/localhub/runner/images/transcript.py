"""What a build tool prints, told in the words of the Hub's build log."""

from __future__ import annotations

import re
from collections.abc import Callable

# Of BuildKit: `#7 [2/4] RUN pip install x`, `#7 0.345 text`, `#7 DONE 0.3s`, `#7 CACHED`, `#7 ERROR: why`.
_BUILDKIT = re.compile(r"#(\d+) (.*)\Z", re.DOTALL)
_STEP = re.compile(r"\[(?!internal\])(?:\S+ )?(?:\S+ +)?\d+/\d+\] (.*)\Z", re.DOTALL)
_SAID = re.compile(r"\d+\.\d+ (.*)\Z", re.DOTALL)
_DONE = re.compile(r"(DONE \d+\.\d+s|CACHED)\Z")
# Of buildah: `STEP 2/5: RUN pip install x`, and before each step of a build in stages `[1/2] STEP 2/5: …`.
_BUILDAH = re.compile(r"(?:\[\d+/\d+\] )?STEP \d+/\d+: (.*)\Z", re.DOTALL)
_BUILDAH_NOISE = re.compile(
    r"(-->( Using cache)? [0-9a-f]{11,64}|[0-9a-f]{64}|(\[\d+/\d+\] )?COMMIT .*|Successfully tagged .*|"
    r"subprocess exited with status \d+)\Z"
)
_EXIT = re.compile(r"exit (?:code|status):? (\d+)")
_PROCESS = re.compile(r"(?:executor failed running \[(.*)\]: exit|process \"(.*)\" did not)", re.DOTALL)
_FAILED = re.compile(r"(?i)(?:error: )?(?:failed to solve|error building at STEP|error building|Error:)")
_NOISE = re.compile(r"(sha256:[0-9a-f]{64}( [\d.]+\w+ / .*)?|-{4,}|\s*> \[.*\]:?|\s*(>>>|\d+ \|).*)\Z")


class Transcript:
    """Takes lines as a tool prints them, and gives those of a reader's interest to *log*."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._shown: dict[str, str] = {}  # BuildKit's numbers of the steps that the log tells of
        self._last_step = ""
        self._code = 1
        self._reason = ""
        self._told_failure = False

    def __call__(self, text: str) -> None:
        """Take what the tool printed: one line or several."""
        for line in text.splitlines():
            self._take(line)

    def failure(self) -> str:
        """Return what the Hub shows when the tool has failed, after a last line in the log."""
        reason = self._reason or self._last_step or "the build tool gave no reason"
        if not self._told_failure:
            self._log(f"--> ERROR: {reason}")
        if self._code == 137:
            return "Job failed with exit code: 137. Reason: OOMKilled"
        return f"Job failed with exit code: 1. Reason: cache miss: [{self._last_step or reason}]"

    def _take(self, line: str) -> None:
        found = _BUILDKIT.match(line)
        if found is not None:
            self._buildkit(found.group(1), found.group(2))
            return
        found = _BUILDAH.match(line)
        if found is not None:
            self._step(found.group(1))
        elif _FAILED.match(line):
            self._failed(line)
        elif line.strip() and not _NOISE.match(line) and not _BUILDAH_NOISE.match(line) and not self._reason:
            self._log(line)

    def _buildkit(self, number: str, text: str) -> None:
        if (step := _STEP.match(text)) is not None:
            if number not in self._shown:
                self._shown[number] = step.group(1)
                self._step(step.group(1))
        elif text.startswith("exporting to image"):
            if number not in self._shown:
                self._shown[number] = text
                self._log("--> Exporting image")
        elif number not in self._shown:
            if text.startswith("ERROR"):
                self._failed(text)
        elif (said := _SAID.match(text)) is not None:
            self._log(said.group(1))
        elif _DONE.match(text):
            self._log(text)
        elif text.startswith("ERROR"):
            self._last_step = self._shown[number]
            self._failed(text)

    def _step(self, step: str) -> None:
        self._last_step = step
        self._log(f"--> {step}")

    def _failed(self, line: str) -> None:
        """Say why in the Hub's words, once: tools tell it twice, the second time with less."""
        if self._told_failure:
            return
        self._told_failure = True
        text = line.removeprefix("ERROR: ").removeprefix("error: ").removeprefix("Error: ")
        code = _EXIT.search(text)
        if code is None:
            self._reason = text
            self._log(f"--> ERROR: {text}")
            return
        self._code = int(code.group(1))
        process = _PROCESS.search(text)
        shown = (
            process.group(1) or process.group(2)
            if process
            else f"/bin/sh -c {self._last_step.removeprefix('RUN ')}"
        )
        self._reason = f'process "{shown}" did not complete successfully: exit code: {self._code}'
        self._log(f"--> ERROR: {self._reason}")
