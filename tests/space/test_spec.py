"""A Space as its author describes it."""

import re

import pytest

from spacehand.errors import ConfigError, NotFoundError, UsageError
from spacehand.ids import RepoId, Visibility
from spacehand.space.spec import Budget, Expect, ProbeSpec, SpaceSpec, Volume
from spacehand.space.template import ModelFacts

_REPO = 'source = "models/a/b", mount = "/m"'

EVERYTHING = """\
[hub]
endpoint = "http://127.0.0.1:7870"
[model]
path = "outputs/run-12"
repo = "ada/voxtral-tiny"
[space]
repo = "ada/voxtral-tiny-demo"
sdk = "gradio"
hardware = ["cpu-upgrade", "t4-small"]
sleep = "30m"
replicas = 2
visibility = "private"
vendor = ["spacehand_runtime"]
volumes = [{ source = "models/ada/voxtral-tiny", mount = "/models/tiny", read_only = true }]
[variables]
MODEL_NAME = "Voxtral tiny"
DEBUG = false
LIMIT = 3
[secrets]
HF_TOKEN = { env = "SPACE_READ_TOKEN" }
[probe]
path = "/"
api = "/transcribe"
inputs = ["examples/clip.wav", "en"]
expect = { path = "transcript", contains = "door" }
timeout = "60s"
[budget]
monthly_usd = 20
action = "pause"
[env.staging.space]
repo = "ada/voxtral-tiny-demo-staging"
hardware = "cpu-basic"
[env.staging.variables]
MODEL_NAME = "Staging"
"""


def test_every_setting_arrives(space):
    """
    All that the documentation shows is understood and ends up as a value, not a text.
    """
    spec = SpaceSpec.load(space(toml=EVERYTHING))

    assert spec.endpoint == "http://127.0.0.1:7870"
    assert (spec.model_path, str(spec.model_repo)) == ("outputs/run-12", "ada/voxtral-tiny")
    assert spec.repo == RepoId("ada", "voxtral-tiny-demo")
    assert spec.hardware == ("cpu-upgrade", "t4-small")
    assert spec.sleep_seconds == 1800
    assert spec.replicas == 2
    assert spec.visibility is Visibility.PRIVATE
    assert spec.vendor == ("spacehand_runtime",)
    assert spec.volumes == (Volume("models/ada/voxtral-tiny", "/models/tiny"),)
    assert spec.variables == {"DEBUG": "false", "LIMIT": "3", "MODEL_NAME": "Voxtral tiny"}
    assert [secret.name for secret in spec.secrets] == ["HF_TOKEN"]
    assert spec.probe == ProbeSpec(
        "/", "/transcribe", ("examples/clip.wav", "en"), Expect("transcript", "door"), 60.0
    )
    assert spec.budget == Budget(20.0, "pause")


def test_an_environment_changes_what_it_names(space):
    """
    `[env.staging]` wins over the rest, key by key.
    """
    spec = SpaceSpec.load(space(toml=EVERYTHING), environment="staging")

    assert str(spec.repo) == "ada/voxtral-tiny-demo-staging"
    assert spec.hardware == ("cpu-basic",)
    assert spec.variables == {"DEBUG": "false", "LIMIT": "3", "MODEL_NAME": "Staging"}
    assert spec.sleep_seconds == 1800
    assert spec.environment == "staging"


def test_the_command_line_wins(space):
    """
    Overrides have the file's shape, and the last word.
    """
    overrides = {"space": {"repo": "bob/x", "visibility": "public"}, "variables": {"LIMIT": "4"}}

    spec = SpaceSpec.load(space(toml=EVERYTHING), environment="staging", overrides=overrides)

    assert str(spec.repo) == "bob/x"
    assert spec.visibility is Visibility.PUBLIC
    assert spec.variables["LIMIT"] == "4"


def test_an_existing_space_folder_works_as_it_is(space):
    """
    Without any settings the README says enough.
    """
    spec = SpaceSpec.load(space())

    assert (spec.sdk, spec.repo, spec.hardware, spec.sleep_seconds) == ("gradio", None, (), None)
    assert spec.probe == ProbeSpec()
    assert spec.budget is None


def test_a_project_file_will_do(space):
    """
    `[tool.spacehand]` in pyproject.toml is the same as spacehand.toml, line numbers included.
    """
    text = '[project]\nname = "x"\n[tool.spacehand.space]\nrepo = "ada/x"\nslep = "1h"\n'

    with pytest.raises(ConfigError) as refused:
        SpaceSpec.load(space({"pyproject.toml": text}))
    assert str(refused.value.where).endswith("pyproject.toml:5")

    spec = SpaceSpec.load(space({"pyproject.toml": text.replace("slep", "sleep")}))
    assert (str(spec.repo), spec.sleep_seconds) == ("ada/x", 3600)


def test_somebody_elses_project_file_says_nothing(space):
    """
    A pyproject.toml that only mentions spacehand is no description of a Space.
    """
    assert SpaceSpec.load(space({"pyproject.toml": '[project]\ndependencies = ["spacehand"]\n'})).repo is None


def test_settings_reach_the_front_matter(space):
    """
    `sdk`, `title` and `[space.front_matter]` are merged into the README's header.
    """
    toml = '[space]\ntitle = "Windows"\n[space.front_matter]\ncolorFrom = "pink"\n'

    spec = SpaceSpec.load(space(toml=toml))

    assert spec.front_matter.values["title"] == "Windows"
    assert spec.front_matter.values["colorFrom"] == "pink"
    assert "x-own: kept" in spec.front_matter.text()


@pytest.mark.parametrize(
    ("toml", "line", "says"),
    [
        ('[space]\nrepo = "ada/x"\nhardwear = "t4-small"\n', 3, "Did you mean `hardware`?"),
        ('[spaces]\nrepo = "ada/x"\n', 1, "Did you mean `space`?"),
        ('[probe]\nfoo = 1\n', 2, "Known here: `path`"),
        ('[space]\nrepo = 3\n', 2, "must be a text that is not empty, not a number"),
        ('[space]\nrepo = "x"\n', 2, "not a repository id"),
        ("[space]\nhardware = [1]\n", 2, "must be a list of texts"),
        ('[space]\nhardware = "h100"\n', 2, "removed in December 2025"),
        ("[space]\nsleep = true\n", 2, "must be a duration"),
        ('[space]\nreplicas = "auto"\n', 2, "must be a whole number from 1 on"),
        ("[space]\nreplicas = 0\n", 2, "must be a whole number from 1 on"),
        ('[space]\nvisibility = "secret"\n', 2, "`public`, `private`, `protected`"),
        ('[space]\nvolumes = [{ source = "x", mount = "/m" }]\n', 2, "no source of a volume"),
        ('[space]\nvolumes = [{ source = "models/a/b", mount = "m" }]\n', 2, "no place to mount"),
        (f"[space]\nvolumes = [{{ {_REPO}, read_only = false }}]\n", 2, "mounted read-only"),
        ("[variables]\nA = [1]\n", 2, "must be a text, a number"),
        ('[variables]\n"a-b" = "x"\n', 2, "cannot be the name"),
        ('[probe]\napi = "transcribe"\n', 2, "starts with `/`"),
        ('[probe]\ninputs = "x"\n', 2, "must be a list"),
        ('[probe]\nexpect = { path = "x" }\n', 2, "either `contains` or `equals`"),
        ("[budget]\nmonthly_usd = -1\n", 2, "a number of dollars"),
        ('[budget]\nmonthly_usd = 1\naction = "stop"\n', 3, "`pause`, `warn`"),
        ('[hub]\nendpoint = "example.org"\n', 2, "starts with http"),
        ("variables = 3\n", 1, "must be a table"),
        ("[space\n", 1, "not valid TOML"),
        ("[env.x]\nspacee = 1\n", 2, "Did you mean `space`?"),
        ('[env.x.space]\nslep = "1h"\n', 2, "Did you mean `sleep`?"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_with_its_line(space, toml, line, says):
    """
    Unknown keys and wrong types are told with file, line, and what would be right.
    """
    with pytest.raises(ConfigError) as refused:
        SpaceSpec.load(space(toml=toml))

    assert str(refused.value.where).endswith(f"spacehand.toml:{line}")
    assert says in f"{refused.value} {refused.value.hint}"
    assert refused.value.exit_code == 3


def test_a_wrong_override_names_the_command_line(space):
    """
    What came from a flag is not blamed on the file.
    """
    with pytest.raises(ConfigError) as refused:
        SpaceSpec.load(space(toml=EVERYTHING), overrides={"space": {"sleep": "soon"}})

    assert refused.value.where == "command line"


@pytest.mark.parametrize("toml", [None, EVERYTHING])
def test_an_unknown_environment_is_refused(space, toml):
    """
    A mistyped `--env` never deploys the default one.
    """
    with pytest.raises(ConfigError, match="no environment `prod`"):
        SpaceSpec.load(space(toml=toml), environment="prod")


def test_a_missing_folder_is_a_wrong_use(tmp_path):
    """
    A path that is not there is the caller's slip, not the file's.
    """
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / "absent"))):
        SpaceSpec.load(tmp_path / "absent")


def test_a_volume_is_told_to_the_hub_in_its_own_words(space):
    """
    `models/owner/name` becomes a type and a source, as the API takes them.
    """
    (volume,) = SpaceSpec.load(space(toml=EVERYTHING)).volumes

    assert volume.to_wire() == {
        "type": "model",
        "source": "ada/voxtral-tiny",
        "mountPath": "/models/tiny",
        "readOnly": True,
    }


FACTS = ModelFacts(
    "ada/tiny", "ctranslate2", revision="a" * 40, name="Tiny", base_model="openai/whisper-tiny.en"
)


def test_a_template_serves_the_model_it_is_given():
    """
    The model's facts become variables, and its kind picks the engine.
    """
    spec = SpaceSpec.for_template("voxtral-asr", model=FACTS, repo=RepoId("ada", "tiny-demo"))

    assert spec.variables == {
        "BASE_MODEL_ID": "openai/whisper-tiny.en",
        "HF_MODEL_ID": "ada/tiny",
        "MODEL_NAME": "Tiny",
        "MODEL_REVISION": "a" * 40,
    }
    assert (spec.template, spec.engine, spec.sdk) == ("voxtral-asr", "ctranslate2", "gradio")
    assert spec.front_matter.values["models"] == ["ada/tiny"]
    assert spec.probe.api == "/transcribe"
    assert str(spec.repo) == "ada/tiny-demo"


def test_a_folder_can_name_a_template(space):
    """
    The author's settings win over the template's defaults and over the model's facts.
    """
    toml = '[space]\ntemplate = "voxtral-asr"\n[variables]\nMODEL_NAME = "Mine"\n[probe]\ntimeout = "5m"\n'

    spec = SpaceSpec.load(space(toml=toml), model=FACTS)

    assert spec.variables["MODEL_NAME"] == "Mine"
    assert spec.variables["HF_MODEL_ID"] == "ada/tiny"
    assert (spec.probe.timeout, spec.probe.api) == (300.0, "/transcribe")
    assert (spec.folder / "app.py").is_file()
    assert spec.front_matter.values["sdk"] == "gradio"


def test_a_template_refuses_a_kind_it_does_not_serve():
    """
    No model is shown by an app that cannot load it.
    """
    with pytest.raises(ConfigError, match="does not serve models of the kind `onnx`") as refused:
        SpaceSpec.for_template("voxtral-asr", model=ModelFacts("ada/x", "onnx"))

    assert "`ctranslate2`" in str(refused.value.hint)


def test_a_template_refuses_a_model_for_something_else():
    """
    A speech page does not start around a text classifier; a model that does not say what it is for may try.
    """
    with pytest.raises(ConfigError, match="`ada/x` is a model for text-classification") as refused:
        SpaceSpec.for_template("voxtral-asr", model=ModelFacts("ada/x", "full", task="text-classification"))

    assert "--app FOLDER" in str(refused.value.hint)
    for task in ("automatic-speech-recognition", None):
        spec = SpaceSpec.for_template("voxtral-asr", model=ModelFacts("ada/x", "full", task=task))
        assert spec.engine == "transformers"


def test_an_unknown_template_is_not_found():
    """
    The nearest name is the hint.
    """
    with pytest.raises(NotFoundError) as refused:
        SpaceSpec.for_template("voxtral-asd", model=FACTS)

    assert "`voxtral-asr`" in str(refused.value.hint)
