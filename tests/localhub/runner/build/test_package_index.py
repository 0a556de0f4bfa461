"""uv looks for packages where pip was told to."""

from __future__ import annotations

from pathlib import Path

from spacehand.localhub.runner.build.package_index import (
    certificates,
    pip_configuration,
    redacted,
    uv_environment,
)

CONF = """
[global]
index-url = https://ada:pa55@mirror.example/simple
extra-index-url = https://one.example/simple
    https://two.example/simple
find-links = /srv/wheels
[install]
trusted-host = mirror.example
"""


def test_pips_configuration_reaches_uv_and_nothing_else_does(tmp_path: Path):
    """
    Addresses of pip's file and environment are translated; the Hub's other variables stay out.
    """
    conf = tmp_path / "pip.conf"
    conf.write_text(CONF)
    found = uv_environment(
        {"PATH": "/bin", "PIP_CERT": "/ca.pem", "AWS_SECRET": "x", "PYTHONDONTWRITEBYTECODE": "1"}, [conf]
    )
    assert found == {
        "PATH": "/bin",
        "UV_DEFAULT_INDEX": "https://ada:pa55@mirror.example/simple",
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/srv/wheels",
        "UV_INSECURE_HOST": "mirror.example",
        "SSL_CERT_FILE": "/ca.pem",
    }


def test_environment_beats_the_file_and_uvs_own_beats_both(tmp_path: Path):
    """
    PIP_INDEX_URL is stronger than pip.conf, UV_DEFAULT_INDEX stronger than either.
    """
    conf = tmp_path / "pip.conf"
    conf.write_text(CONF)
    assert uv_environment({"PIP_INDEX_URL": "https://env"}, [conf])["UV_DEFAULT_INDEX"] == "https://env"
    both = {"PIP_INDEX_URL": "https://env", "UV_DEFAULT_INDEX": "https://uv"}
    assert uv_environment(both, [conf])["UV_DEFAULT_INDEX"] == "https://uv"


def test_credentials_of_addresses_are_never_shown():
    """
    User name and password of an index are replaced wherever a text names it.
    """
    text = "Looking in https://ada:pa55@mirror.example/simple, http://t0ken@x/y and https://plain/z@1"
    assert (
        redacted(text)
        == "Looking in https://****@mirror.example/simple, http://****@x/y and https://plain/z@1"
    )


def test_an_image_is_told_where_packages_are_but_not_what_only_this_machine_has(tmp_path: Path):
    """
    A pip.conf for an image names the indexes and the image's certificates, and no folder of this machine.
    """
    conf = tmp_path / "pip.conf"
    conf.write_text(
        "[global]\nindex-url = https://user:pass@index/simple\nextra-index-url = file:///opt/simple https://b\n"
        "cert = /etc/own.pem\nfind-links = /srv/wheels\n"
    )
    told = pip_configuration({}, [conf], certificates="/etc/trusted.pem")
    assert told.splitlines() == [
        "[global]",
        "index-url = https://user:pass@index/simple",
        "extra-index-url = https://b",
        "cert = /etc/trusted.pem",
    ]
    assert pip_configuration({}, []) == "[global]\n"


def test_the_certificates_that_the_machine_was_told_to_trust(tmp_path: Path):
    """
    pip's own come before everybody's; what is named and not there is none.
    """
    own, all_ = tmp_path / "own.pem", tmp_path / "all.pem"
    own.touch()
    all_.touch()
    assert certificates({"PIP_CERT": str(own), "SSL_CERT_FILE": str(all_)}, []) == own
    assert certificates({"SSL_CERT_FILE": str(all_)}, []) == all_
    assert certificates({"PIP_CERT": str(tmp_path / "gone.pem")}, []) is None
    assert certificates({}, []) is None
