"""The environment of the speech app."""

import pytest
from asr.errors import SettingsError
from asr.settings import Settings

MODEL = {"HF_MODEL_ID": "ada/whisper-tiny"}


def test_a_model_is_enough():
    """
    All but the model has a default, and the page is called after the model.
    """
    settings = Settings.read(MODEL)

    assert (settings.model_id, settings.revision, settings.subfolder) == ("ada/whisper-tiny", None, "")
    assert settings.title == "whisper-tiny"
    assert settings.examples[0].audio.endswith("examples/sense-and-sensibility.wav")


def test_every_variable_is_read():
    """
    The owner's words arrive as values.
    """
    settings = Settings.read(
        MODEL
        | {
            "MODEL_REVISION": "abc",
            "MODEL_NAME": "Tiny",
            "MODEL_SUBFOLDER": "/int8/",
            "BASE_MODEL_ID": "openai/whisper-tiny",
            "MODEL_QUANTIZATION": "INT8",
            "HF_TOKEN": "secret-word",
            "MAX_SECONDS": "20",
            "TIMEOUT_SECONDS": "5.5",
            "RATE_LIMIT": "3/min",
            "DISABLE_EXAMPLES": "true",
            "BRAND_TITLE": "Ours",
            "BRAND_DESCRIPTION": "About",
            "BRAND_LINKS": '{"Home": "https://example.org"}',
        }
    )

    assert (settings.revision, settings.subfolder, settings.quantization) == ("abc", "int8", "int8")
    assert (settings.max_seconds, settings.timeout, settings.rate_limit) == (20.0, 5.5, "3/min")
    assert settings.examples == ()
    assert settings.title == "Ours"
    assert settings.brand_links == (("Home", "https://example.org"),)
    assert settings.token == "secret-word"
    assert "secret-word" not in repr(settings)


def test_empty_variables_count_as_unset():
    """
    A variable that was cleared in the Space's settings is empty, not gone.
    """
    settings = Settings.read(MODEL | {"MODEL_NAME": " ", "MAX_SECONDS": "", "EXAMPLES_JSON": ""})

    assert settings.title == "whisper-tiny"
    assert settings.max_seconds == 300


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HF_MODEL_ID", ""),
        ("MODEL_QUANTIZATION", "int3"),
        ("MAX_SECONDS", "long"),
        ("MAX_SECONDS", "0"),
        ("TIMEOUT_SECONDS", "nan"),
        ("RATE_LIMIT", "often"),
        ("EXAMPLES_JSON", "{"),
        ("EXAMPLES_JSON", '{"audio": "x"}'),
        ("EXAMPLES_JSON", "[3]"),
        ("EXAMPLES_JSON", '["absent.wav"]'),
        ("EXAMPLES_JSON", '["https://example.org/a.wav"]'),
        ("BRAND_LINKS", "Home"),
        ("BRAND_LINKS", '{"Home": "javascript:alert(1)"}'),
    ],
)
def test_a_wrong_variable_is_named(variable, value):
    """
    The page tells the owner which variable to mend; nothing is guessed.
    """
    with pytest.raises(SettingsError, match=f"`{variable}`"):
        Settings.read(MODEL | {variable: value})


@pytest.mark.parametrize(
    "text",
    ['["a.wav"]', '[["a.wav", "de"]]', '[{"audio": "a.wav", "language": "de", "label": "A door"}]'],
)
def test_examples_are_read_in_three_shapes(text, tmp_path, monkeypatch):
    """
    A path alone, a list, or named parts; paths are those of the Space's folder.
    """
    monkeypatch.setattr("asr.settings._HOME", tmp_path)
    (tmp_path / "a.wav").touch()

    (example,) = Settings.read(MODEL | {"EXAMPLES_JSON": text}).examples

    assert example.audio == str(tmp_path / "a.wav")
    assert example.language == ("auto" if "de" not in text else "de")
    assert example.label == ("A door" if "door" in text else "a")
