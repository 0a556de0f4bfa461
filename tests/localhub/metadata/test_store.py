"""What a README's header may say."""

from __future__ import annotations

import pytest

from spacehand.ids import RepoKind
from spacehand.localhub.errors import HubError
from spacehand.localhub.metadata.store import require_valid_readme, validate_front_matter

RESULT = """
model-index:
- name: tiny
  results:
  - task: {type: automatic-speech-recognition}
    dataset: {type: ada/clips, name: Clips}
    metrics:
    - {type: wer, value: 12.5}
"""


def errors(header: str, kind: RepoKind = RepoKind.SPACE) -> list[str]:
    return validate_front_matter(f"---\n{header}\n---\nHello\n", kind).errors


@pytest.mark.parametrize(
    "line",
    [
        "title: On air",
        'emoji: "🚀"',
        'emoji: "1️⃣"',
        'emoji: "👩‍🚀"',
        "colorFrom: gray",
        "sdk: static",
        "sdk: streamlit",
        "sdk_version: 6.31.0",
        "sdk_version: 5.0",
        'python_version: "3.10"',
        "python_version: 3.11",
        "python_version: 3.11.9",
        "app_port: 7860",
        "base_path: /docs",
        "short_description: " + "x" * 60,
        "startup_duration_timeout: 1h",
        "startup_duration_timeout: 30m",
        "custom_headers: {cross-origin-embedder-policy: require-corp}",
        "models: [ada/tiny, gpt2]",
        "suggested_hardware: t4-small",
        "something_of_my_own: {a: 1}",
        "title:",
    ],
)
def test_good_lines_pass(line: str):
    """
    Whatever the Hub's documentation allows is allowed, and fields it does not know are let through.
    """
    assert errors(line) == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("title: 7", '"title" must be a string'),
        ("emoji: rocket", '"emoji" must be an emoji'),
        ('emoji: "ðŸš€"', '"emoji" must be an emoji'),
        ("colorTo: mauve", '"colorTo" must be one of [red, yellow, green, blue, indigo, purple, pink, gray]'),
        ("sdk: shiny", '"sdk" must be one of [gradio, docker, static, streamlit]'),
        ("sdk_version: latest", '"sdk_version" must be a version such as 6.31.0'),
        ("python_version: 3.10", '"python_version" must be quoted: YAML reads 3.10 as 3.1; write "3.10"'),
        ("python_version: 2.7", '"python_version" must be a Python version such as "3.11" or "3.11.9"'),
        ("app_port: 0", '"app_port" must be a number between 1 and 65535'),
        ("app_port: yes", '"app_port" must be a number between 1 and 65535'),
        ("app_file: ../app.py", '"app_file" must be a path inside the repository'),
        ("base_path: docs", '"base_path" must start with /'),
        ("pinned: maybe", '"pinned" must be a boolean'),
        ("header: tall", '"header" must be one of [default, mini]'),
        (
            "short_description: " + "x" * 61,
            '"short_description" length must be less than or equal to 60 characters long',
        ),
        ("startup_duration_timeout: soon", '"startup_duration_timeout" must be a duration such as 30m or 1h'),
        ("custom_headers: {x-frame-options: deny}", '"custom_headers.x-frame-options" is not allowed'),
        (
            "custom_headers: {cross-origin-opener-policy: Same-Origin}",
            '"custom_headers.cross-origin-opener-policy" must be a string in lower case',
        ),
        ("tags: demo", '"tags" must be an array'),
        ("tags: [a, 1]", '"tags[1]" must be a string'),
        ("models: [a b]", '"models[0]" must be a repository\'s id: owner/name'),
        ("license: 3", '"license" must be a license\'s name such as apache-2.0, or other'),
        ("language: no", '"language" must be a string'),
    ],
)
def test_bad_lines_are_named(line: str, complaint: str):
    """
    A value that the Hub refuses is refused, with the field's name in quotes.
    """
    assert errors(line) == [complaint]


@pytest.mark.parametrize(
    ("cut", "complaint"),
    [
        ("- name: tiny", '"model-index[0].name" is required'),
        ("    dataset: {type: ada/clips, name: Clips}\n", '"model-index[0].results[0].dataset" is required'),
        ("type: automatic-speech-recognition", '"model-index[0].results[0].task.type" is required'),
        (", value: 12.5", '"model-index[0].results[0].metrics[0].value" is required'),
    ],
)
def test_a_model_index_must_be_whole(cut: str, complaint: str):
    """
    Results need a model, a task, a dataset and measured values.
    """
    assert errors(RESULT, RepoKind.MODEL) == []
    replacement = "- tiny: name" if cut.startswith("- ") else ""
    assert errors(RESULT.replace(cut, replacement), RepoKind.MODEL) == [complaint]


@pytest.mark.parametrize(
    ("readme", "complaint"),
    [
        ("---\na: [1\n---\n", r"YAML Metadata Error: .*\(line \d+\)"),
        ("---\nb: 1\na: x: y\n---\n", r"YAML Metadata Error: .*\(line 3\)"),
        ("---\na: 1\na: 2\n---\n", r"YAML Metadata Error: duplicated mapping key `a` \(line 3\)"),
        ("---\n- a\n---\n", "must hold `key: value` lines"),
        ("---\na: 1\n", "no closing `---` line"),
        ("---\na: !!python/object:os.system {}\n---\n", "YAML Metadata Error"),
    ],
)
def test_what_is_no_yaml_is_named_with_its_line(readme: str, complaint: str):
    """
    A header that cannot be read is an error that says where in the README it is.
    """
    with pytest.raises(HubError, match="Invalid metadata in README") as raised:
        require_valid_readme(readme, RepoKind.MODEL)

    assert raised.value.status == 400
    assert raised.match(complaint)


@pytest.mark.parametrize("readme", ["", "# Hello", "---\n---\n", "Hello\n---\nlicense: 3\n---\n"])
def test_no_header_is_only_a_warning(readme: str):
    """
    A README needs no header.
    """
    found = validate_front_matter(readme, RepoKind.MODEL)

    assert (found.errors, found.warnings) == ([], ["empty or missing yaml metadata in repo card"])
