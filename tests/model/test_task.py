"""What a model is for."""

import pytest

from spacehand.model.task import task_of


@pytest.mark.parametrize(
    ("classes", "task"),
    [
        (["VoxtralForConditionalGeneration"], "automatic-speech-recognition"),
        (["WhisperForConditionalGeneration"], "automatic-speech-recognition"),
        (["Wav2Vec2BertForCTC"], "automatic-speech-recognition"),
        (["LlamaForCausalLM"], "text-generation"),
        (["T5ForConditionalGeneration"], "text2text-generation"),
        (["Qwen2VLForConditionalGeneration"], "image-text-to-text"),
        (["SomethingNewForConditionalGeneration"], None),
        ([], None),
    ],
)
def test_a_class_says_what_a_model_is_for(classes, task):
    """
    A task is told where the class leaves no doubt, and nothing where it does.
    """
    assert task_of(classes) == task
