"""Where packages come from: what this machine told pip, told to uv."""

from __future__ import annotations

import configparser
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
# How the registries are reached from here.
_WAY_OUT = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "NPM_CONFIG_REGISTRY",
    "npm_config_registry",
)
# What a build may take from the Hub's own environment; nothing else reaches a package's build script.
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "XDG_CACHE_HOME", *_WAY_OUT)
_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
_LINKS = "UV_FIND_LINKS"
_FILE_URL = re.compile(r"file://(/[^\s,]*)")
# What may be known where a package is built from source; of the URLs, all but the credentials.
_OPEN = frozenset(
    (
        *_INDEXES,
        _LINKS,
        *_WAY_OUT,
        "LANG",
        "UV_EXCLUDE_NEWER",
        "UV_HTTP_TIMEOUT",
        "UV_INDEX_STRATEGY",
        "UV_INSECURE_HOST",
        "UV_NATIVE_TLS",
        "UV_NO_INDEX",
        "UV_SYSTEM_CERTS",
    )
)


def redacted(text: str) -> str:
    """Return *text* with user names and passwords taken out of all its URLs."""
    return _CREDENTIALS.sub("****@", text)


def uv_environment(
    environment: Mapping[str, str] = os.environ, files: Iterable[Path] | None = None
) -> dict[str, str]:
    """
    Return the environment in which uv looks for packages where pip would.

    Addresses travel here and not on the command line, where every user of the machine could read them.
    What the user told uv itself (``UV_…``) wins.
    """
    pip = _pip_settings(environment, files)
    result = {name: environment[name] for name in _KEPT if name in environment}
    told = {
        "UV_DEFAULT_INDEX": pip.get("index-url", "").strip(),
        "UV_INDEX": " ".join(pip.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(pip.get("find-links", "").split()),
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": pip.get("timeout", pip.get("default-timeout", "")),
        "UV_NO_INDEX": "1" if pip.get("no-index", "").lower() in ("1", "true", "yes", "on") else "",
        "SSL_CERT_FILE": pip.get("cert", ""),
        "SSL_CLIENT_CERT": pip.get("client-cert", ""),
        "HTTPS_PROXY": pip.get("proxy", ""),
    }
    for name, value in told.items():
        if value:
            result.setdefault(name, value)
    if "UV_INDEX" in result:
        # pip holds all its indexes equal and takes the best version of any.
        result["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    result |= {name: value for name, value in environment.items() if name.startswith("UV_")}
    for name in ("UV_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_OFFLINE"):
        result.pop(name, None)
    return result


def pip_configuration(
    environment: Mapping[str, str] = os.environ,
    files: Iterable[Path] | None = None,
    *,
    certificates: str = "",
) -> str:
    """
    Return a pip.conf for an image, by which pip looks where it looks on this machine; it may hold passwords.

    *certificates* is where in the image those of this machine lie; without it, the image's own count.
    """
    pip = _pip_settings(environment, files) | {"cert": certificates}
    lines = []
    for name in ("index-url", "extra-index-url", "trusted-host", "timeout", "no-index", "proxy", "cert"):
        # A folder of this machine is not in the image.
        words = [word for word in pip.get(name, "").split() if not word.startswith("file:")]
        if words:
            lines.append(f"{name} = {' '.join(words)}")
    return "\n".join(["[global]", *lines, ""])


def certificates(
    environment: Mapping[str, str] = os.environ, files: Iterable[Path] | None = None
) -> Path | None:
    """Return the file of certificates that this machine was told to trust, as behind a company's proxy."""
    named = _pip_settings(environment, files).get("cert") or environment.get("SSL_CERT_FILE")
    return Path(named) if named and Path(named).is_file() else None


def without_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a stranger's build script may know: where packages are, but not who asks for them."""
    return {name: _CREDENTIALS.sub("", value) for name, value in environment.items() if name in _OPEN}


def local_places(environment: Mapping[str, str]) -> list[Path]:
    """Return the files and folders of this machine that *environment* names as sources of packages."""
    indexes = " ".join(environment.get(name, "") for name in _INDEXES)
    found = [Path(unquote(path)) for path in _FILE_URL.findall(f"{indexes} {environment.get(_LINKS, '')}")]
    # A folder of links leads to the files, which lie beside it as a rule.
    found = [path.parent if path.name == "simple" else path for path in found]
    named = environment.get(_LINKS, "").replace(",", " ").split()
    named += [environment[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environment.get(name)]
    return [*found, *(Path(path) for path in named if path.startswith("/"))]


def _pip_settings(environment: Mapping[str, str], files: Iterable[Path] | None) -> dict[str, str]:
    """Return pip's settings: the files, least important first, then ``PIP_…`` from *environment*."""
    settings: dict[str, str] = {}
    for file in files if files is not None else _pip_files(environment):
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                settings |= {name.replace("_", "-"): value for name, value in parser.items(section)}
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            settings[name[4:].lower().replace("_", "-")] = value
    return settings


def _pip_files(environment: Mapping[str, str]) -> list[Path]:
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path(environment.get("HOME") or Path.home())
    folders = [
        Path(part) for part in environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep) if part
    ]
    files = [folder / "pip/pip.conf" for folder in folders] + [Path("/etc/pip.conf")]
    files += [
        home / ".pip/pip.conf",
        Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf",
    ]
    files.append(Path(sys.prefix) / "pip.conf")
    return [*files, Path(named)] if named else files
