"""A Dockerfile for ``sdk: streamlit``, which the Hub no longer has as an SDK of its own."""

from __future__ import annotations

import json

_PYTHON = "3.11"
REASON = (
    "`sdk: streamlit` is no SDK of huggingface.co any more; this Space is built from a Dockerfile made here, "
    "as its Docker template does it. A new one there needs `sdk: docker` and a Dockerfile of its own"
)
# Where pip looks on this machine and whom it trusts, for the time of one command and in no layer.
PIP_SETTINGS = "spacehand_pip.conf"
CERTIFICATES = "spacehand_certificates.pem"
CERTIFICATES_AT = f"/etc/{CERTIFICATES}"
# What is in the build's context: the commit's files, and models as the official client keeps them.
APP, MODELS = "app", "models"
_CACHE = "/home/user/.cache/huggingface/hub"
_INSTALL = (
    f"RUN --mount=type=secret,id={PIP_SETTINGS},target=/etc/pip.conf,required=false "
    f"--mount=type=secret,id={CERTIFICATES},target={CERTIFICATES_AT},required=false "
    "--mount=type=cache,target=/root/.cache/pip "
    "pip install --disable-pip-version-check --root-user-action=ignore"
)


def dockerfile(
    app_file: str,
    port: int,
    *,
    version: str | None,
    python: str | None,
    requirements: bool,
    packages: tuple[str, ...],
    models: bool = False,
) -> str:
    """Return the Dockerfile that runs *app_file* as the Streamlit SDK did, with *models* in its cache."""
    wanted = f"streamlit=={version}" if version else "streamlit"
    lines = [f"FROM python:{python or _PYTHON}"]
    if packages:
        names = " ".join(packages)
        lines.append(f"RUN apt-get update && apt-get install -y {names} && rm -rf /var/lib/apt/lists/*")
    lines += ["WORKDIR /app"]
    if requirements:
        lines += [
            f"COPY {APP}/requirements.txt /tmp/requirements.txt",
            f"{_INSTALL} -r /tmp/requirements.txt {wanted}",
        ]
    else:
        lines += [f"{_INSTALL} {wanted}"]
    command = ["streamlit", "run", app_file, f"--server.port={port}", "--server.address=0.0.0.0"]
    # Inside the Hub's page the app is in a frame, where its own protection would refuse the browser.
    command += ["--server.headless=true", "--server.enableXsrfProtection=false"]
    lines += [
        f"RUN mkdir -p {_CACHE} && chown -R 1000 /home/user /app",
        *([f"COPY --chown=1000 {MODELS} {_CACHE}"] if models else []),
        f"COPY --chown=1000 {APP} /app",
        "USER 1000",
        "ENV HOME=/home/user PYTHONUNBUFFERED=1 STREAMLIT_BROWSER_GATHER_USAGE_STATS=false",
        f"EXPOSE {port}",
        f"CMD {json.dumps(command)}",
    ]
    return "\n".join(lines) + "\n"
