"""
Make tiny random speech models, with whatever Python has PyTorch and transformers: ``tiny_models.py FOLDER``.

    voxtral/     a Voxtral, all in one file
    sharded/     the same numbers in several files
    deep/        another Voxtral, which takes many seconds for a minute of sound
    lora/        an adapter that changes what is heard; misfit/ one for a wider model
    ctc/         says whole words, one for each moment; whisper/ writes letters
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import mistral_common
import torch
import transformers
from mistral_common.tokens.tokenizers.base import SpecialTokens
from peft import LoraConfig, get_peft_model
from tokenizers import AddedToken
from tokenizers.pre_tokenizers import ByteLevel
from transformers import VoxtralConfig, VoxtralForConditionalGeneration, VoxtralProcessor
from transformers.tokenization_mistral_common import MistralCommonBackend

PIECES, SPECIAL = 1024, 64
_NAMES = {0: "<unk>", 1: "<s>", 2: "</s>", 3: "[INST]", 4: "[/INST]", 11: "<pad>", 24: "[AUDIO]"} | {
    25: "[BEGIN_AUDIO]",
    34: "[TRANSCRIBE]",
}
BASE = "ada/voxtral"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def make(folder: Path) -> None:
    """Write all the models into *folder*."""
    processor = _processor(folder / "tokenizer")
    model = _voxtral(width=128)
    model.save_pretrained(folder / "voxtral")
    model.save_pretrained(folder / "sharded", max_shard_size="1MB")
    _voxtral(width=128, layers=150).save_pretrained(folder / "deep")
    for name in ("voxtral", "sharded", "deep"):
        processor.save_pretrained(folder / name)
    _adapter(_voxtral(width=128), folder / "lora")
    _adapter(_voxtral(width=192), folder / "misfit")
    _ctc(folder / "ctc")
    _whisper(folder / "whisper")


def _processor(folder: Path) -> VoxtralProcessor:
    bundled = Path(mistral_common.__file__).parent / "data" / "tekken_240911.json"
    whole = json.loads(bundled.read_text(encoding="utf-8"))
    others = (token.value for token in SpecialTokens if token.value not in _NAMES.values())
    special = [
        {"rank": rank, "token_str": _NAMES.get(rank) or next(others, f"<SPECIAL_{rank}>"), "is_control": True}
        for rank in range(SPECIAL)
    ]
    config = whole["config"] | {
        "num_vocab_tokens": PIECES,
        "default_vocab_size": PIECES + SPECIAL,
        "default_num_special_tokens": SPECIAL,
        "version": "v7",
    }
    mel = {"num_mel_bins": 128, "hop_length": 160, "window_size": 400}
    audio = {"sampling_rate": 16_000, "frame_rate": 12.5, "audio_encoding_config": mel, "chunk_length_s": 30}
    folder.mkdir(parents=True)
    text = {"config": config, "vocab": whole["vocab"][:PIECES], "special_tokens": special, "audio": audio}
    (folder / "tekken.json").write_text(json.dumps(text), encoding="utf-8")
    tokenizer = MistralCommonBackend.from_pretrained(str(folder))
    return VoxtralProcessor(transformers.WhisperFeatureExtractor(feature_size=128), tokenizer)


def _voxtral(width: int, layers: int = 2) -> Any:
    torch.manual_seed(0)
    shape = {"num_hidden_layers": 2, "num_attention_heads": 4}
    config = VoxtralConfig(
        # Four frames make one token, which is how the encoder's width and its inner width hang together.
        audio_config={"model_type": "voxtral_encoder", "hidden_size": 64, "intermediate_size": 256}
        | shape
        | {"num_mel_bins": 128, "max_source_positions": 1500, "vocab_size": PIECES + SPECIAL},
        text_config={"model_type": "llama", "hidden_size": width, "intermediate_size": 2 * width}
        | shape
        | {"num_hidden_layers": layers}
        | {"num_key_value_heads": 2, "head_dim": 32, "vocab_size": PIECES + SPECIAL}
        | {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 11, "max_position_embeddings": 4096},
        audio_token_id=24,
    )
    return VoxtralForConditionalGeneration(config)


def _adapter(model: Any, folder: Path) -> None:
    torch.manual_seed(1)
    # As if loaded from the Hub: PEFT writes the name into its configuration and its README.
    model.name_or_path = model.config._name_or_path = BASE
    names = ["q_proj", "k_proj", "v_proj", "o_proj"]
    # Adapters begin as no change at all; this one is to be heard.
    config = LoraConfig(r=8, target_modules=names, init_lora_weights=False)
    get_peft_model(model, config).save_pretrained(folder)


def _ctc(folder: Path) -> None:
    torch.manual_seed(2)
    folder.mkdir()
    vocabulary = {"<pad>": 0, "<unk>": 1} | {word: number for number, word in enumerate(WORDS, start=2)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(
        str(folder / "vocab.json"), pad_token="<pad>", unk_token="<unk>", bos_token=None, eos_token=None
    )
    extractor = transformers.SeamlessM4TFeatureExtractor()
    transformers.Wav2Vec2BertProcessor(extractor, tokenizer).save_pretrained(folder)
    config = transformers.Wav2Vec2BertConfig(
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=128,
        vocab_size=len(vocabulary),
        pad_token_id=0,
    )
    transformers.Wav2Vec2BertForCTC(config).save_pretrained(folder)


def _whisper(folder: Path) -> None:
    torch.manual_seed(3)
    letters = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = transformers.WhisperTokenizer(vocab=letters, merges=[])
    names = ("endoftext", "startoftranscript", "en", "de", "fr", "translate", "transcribe", "notimestamps")
    tokenizer.add_tokens([AddedToken(f"<|{name}|>", special=True) for name in names], special_tokens=True)
    number = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in names}
    config = transformers.WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=64,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        pad_token_id=number["endoftext"],
        bos_token_id=number["endoftext"],
        eos_token_id=number["endoftext"],
        decoder_start_token_id=number["startoftranscript"],
    )
    model = transformers.WhisperForConditionalGeneration(config)
    model.generation_config = transformers.GenerationConfig(
        pad_token_id=number["endoftext"],
        eos_token_id=number["endoftext"],
        decoder_start_token_id=number["startoftranscript"],
        no_timestamps_token_id=number["notimestamps"],
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": number[code] for code in ("en", "de", "fr")},
        task_to_id={task: number[task] for task in ("translate", "transcribe")},
        max_length=448,
        # Only letters are to be heard: most bytes are half a character, and no word.
        suppress_tokens=sorted(set(range(len(tokenizer))) - set(map(letters.get, ascii_lowercase))),
    )
    model.save_pretrained(folder)
    extractor = transformers.WhisperFeatureExtractor(feature_size=80)
    transformers.WhisperProcessor(extractor, tokenizer).save_pretrained(folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
