"""The Space's environment, read once at the start."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asr.errors import SettingsError
from spacehand_runtime import RateLimit

QUANTIZATIONS = ("none", "int8", "nf4")
DTYPES = ("auto", "float32", "bfloat16")
_HOME = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Example:
    """A recording the visitor can try with one click."""

    audio: str  # a path inside the Space
    language: str = "auto"
    label: str = ""


DEFAULT_EXAMPLES = (
    Example(
        str(_HOME / "examples" / "sense-and-sensibility.wav"),
        "en",
        "Jane Austen, Sense and Sensibility, read for LibriVox (7 s)",
    ),
)


@dataclass(frozen=True)
class Settings:
    """What the owner of the Space decided; *token* never leaves this process except to the Hub."""

    model_id: str  # owner/name on the Hub, or an absolute folder
    revision: str | None = None
    model_name: str | None = None
    subfolder: str = ""
    base_model_id: str | None = None
    quantization: str = "none"
    dtype: str = "auto"  # in which transformers models are loaded; auto: as they are stored
    token: str | None = field(default=None, repr=False)
    max_seconds: float = 300.0  # of audio
    timeout: float = 120.0  # seconds one transcription may take
    rate_limit: str = "20/min"  # for each client
    live_speakers: int = 2  # who may speak at once in live mode; 0: there is none
    examples: tuple[Example, ...] = DEFAULT_EXAMPLES
    brand_title: str | None = None
    brand_description: str | None = None
    brand_links: tuple[tuple[str, str], ...] = ()  # label, address

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """
        Return the settings in *environ*.

        Raises:
            SettingsError: a variable is missing or wrong; its name is in the message.
        """
        value = {name: text.strip() for name, text in environ.items() if text.strip()}
        if "HF_MODEL_ID" not in value:
            raise SettingsError("The variable `HF_MODEL_ID` is not set: which model is this Space to serve?")
        quantization = value.get("MODEL_QUANTIZATION", "none").lower()
        if quantization not in QUANTIZATIONS:
            raise SettingsError(f"`MODEL_QUANTIZATION` must be one of {', '.join(QUANTIZATIONS)}")
        dtype = value.get("MODEL_DTYPE", "auto").lower()
        if dtype not in DTYPES:
            raise SettingsError(f"`MODEL_DTYPE` must be one of {', '.join(DTYPES)}")
        rate = value.get("RATE_LIMIT", cls.rate_limit)
        try:
            RateLimit.parse(rate)
        except ValueError as error:
            raise SettingsError(f"`RATE_LIMIT`: {error}") from error
        return cls(
            model_id=value["HF_MODEL_ID"],
            revision=value.get("MODEL_REVISION"),
            model_name=value.get("MODEL_NAME"),
            subfolder=value.get("MODEL_SUBFOLDER", "").strip("/"),
            base_model_id=value.get("BASE_MODEL_ID"),
            quantization=quantization,
            dtype=dtype,
            token=value.get("HF_TOKEN"),
            max_seconds=_seconds(value, "MAX_SECONDS", cls.max_seconds),
            timeout=_seconds(value, "TIMEOUT" if "TIMEOUT" in value else "TIMEOUT_SECONDS", cls.timeout),
            rate_limit=rate,
            live_speakers=_count(value, "LIVE_SPEAKERS", cls.live_speakers),
            examples=_examples(value),
            brand_title=value.get("BRAND_TITLE"),
            brand_description=value.get("BRAND_DESCRIPTION"),
            brand_links=_links(value.get("BRAND_LINKS", "")),
        )

    @property
    def title(self) -> str:
        """What the page is called: never a model's name that is not the one served."""
        return self.brand_title or self.model_name or self.model_id.rstrip("/").rpartition("/")[2]


def _seconds(value: Mapping[str, str], name: str, default: float) -> float:
    try:
        number = float(value.get(name, default))
    except ValueError as error:
        raise SettingsError(f"`{name}` must be a number of seconds") from error
    if not 0 < number < 86400:
        raise SettingsError(f"`{name}` must be between 0 and 86400 seconds")
    return number


def _count(value: Mapping[str, str], name: str, default: int) -> int:
    text = value.get(name, str(default))
    if not text.isdecimal() or int(text) > 100:
        raise SettingsError(f"`{name}` must be a whole number from 0 to 100")
    return int(text)


def _examples(value: Mapping[str, str]) -> tuple[Example, ...]:
    if value.get("DISABLE_EXAMPLES", "").lower() in ("1", "true", "yes", "on"):
        return ()
    if "EXAMPLES_JSON" not in value:
        return DEFAULT_EXAMPLES
    try:
        listed = json.loads(value["EXAMPLES_JSON"])
    except ValueError as error:
        raise SettingsError(f"`EXAMPLES_JSON` is not JSON: {error}") from error
    if not isinstance(listed, list):
        raise SettingsError("`EXAMPLES_JSON` must be a list")
    return tuple(_example(item) for item in listed)


def _example(item: Any) -> Example:
    if isinstance(item, str):
        item = {"audio": item}
    if isinstance(item, list):
        item = dict(zip(("audio", "language", "label"), item, strict=False))
    audio = item.get("audio") if isinstance(item, dict) else None
    if not isinstance(audio, str) or not audio:
        raise SettingsError('Each of `EXAMPLES_JSON` must be {"audio": …, "language": …, "label": …}')
    place = _HOME / audio
    if not place.is_file():  # nor an address: Gradio would fetch it at the start, and fail with it
        raise SettingsError(f"`EXAMPLES_JSON`: there is no file {audio} in this Space")
    return Example(
        str(place), str(item.get("language") or "auto"), str(item.get("label") or Path(audio).stem)
    )


def _links(text: str) -> tuple[tuple[str, str], ...]:
    """Read ``{"label": "address"}`` or ``label=address, …``; only web addresses are let through."""
    try:
        pairs: Any = (
            json.loads(text)
            if text.startswith("{")
            else dict(_pair(item) for item in text.split(",") if item)
        )
    except ValueError as error:
        raise SettingsError('`BRAND_LINKS` must be {"label": "https://…"} or label=https://…') from error
    links = tuple((str(label).strip(), str(address).strip()) for label, address in pairs.items())
    for label, address in links:
        if not address.startswith(("https://", "http://")):
            raise SettingsError(f"`BRAND_LINKS`: the address of `{label}` must start with https://")
    return links


def _pair(item: str) -> tuple[str, str]:
    label, equals, address = item.partition("=")
    if not equals:
        raise ValueError(item)
    return label, address
