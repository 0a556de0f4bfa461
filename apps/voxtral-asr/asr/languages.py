"""Languages by the codes that speech models use."""

from __future__ import annotations

from collections.abc import Sequence

from asr.errors import LanguageError

DETECT = "auto"

NAMES = {
    "en": "English", "zh": "Chinese", "de": "German", "es": "Spanish", "ru": "Russian", "ko": "Korean",
    "fr": "French", "ja": "Japanese", "pt": "Portuguese", "tr": "Turkish", "pl": "Polish", "ca": "Catalan",
    "nl": "Dutch", "ar": "Arabic", "sv": "Swedish", "it": "Italian", "id": "Indonesian", "hi": "Hindi",
    "fi": "Finnish", "vi": "Vietnamese", "he": "Hebrew", "uk": "Ukrainian", "el": "Greek", "ms": "Malay",
    "cs": "Czech", "ro": "Romanian", "da": "Danish", "hu": "Hungarian", "ta": "Tamil", "no": "Norwegian",
    "th": "Thai", "ur": "Urdu", "hr": "Croatian", "bg": "Bulgarian", "lt": "Lithuanian", "la": "Latin",
    "mi": "Maori", "ml": "Malayalam", "cy": "Welsh", "sk": "Slovak", "te": "Telugu", "fa": "Persian",
    "lv": "Latvian", "bn": "Bengali", "sr": "Serbian", "az": "Azerbaijani", "sl": "Slovenian",
    "kn": "Kannada", "et": "Estonian", "mk": "Macedonian", "br": "Breton", "eu": "Basque", "is": "Icelandic",
    "hy": "Armenian", "ne": "Nepali", "mn": "Mongolian", "bs": "Bosnian", "kk": "Kazakh", "sq": "Albanian",
    "sw": "Swahili", "gl": "Galician", "mr": "Marathi", "pa": "Punjabi", "si": "Sinhala", "km": "Khmer",
    "sn": "Shona", "yo": "Yoruba", "so": "Somali", "af": "Afrikaans", "oc": "Occitan", "ka": "Georgian",
    "be": "Belarusian", "tg": "Tajik", "sd": "Sindhi", "gu": "Gujarati", "am": "Amharic", "yi": "Yiddish",
    "lo": "Lao", "uz": "Uzbek", "fo": "Faroese", "ht": "Haitian Creole", "ps": "Pashto", "tk": "Turkmen",
    "nn": "Nynorsk", "mt": "Maltese", "sa": "Sanskrit", "lb": "Luxembourgish", "my": "Burmese",
    "bo": "Tibetan", "tl": "Tagalog", "mg": "Malagasy", "as": "Assamese", "tt": "Tatar", "haw": "Hawaiian",
    "ln": "Lingala", "ha": "Hausa", "ba": "Bashkir", "jw": "Javanese", "su": "Sundanese", "yue": "Cantonese",
}  # fmt: skip
_CODES = {name.lower(): code for code, name in NAMES.items()}


def name(code: str) -> str:
    """Return the language's English name, or the code where it has none here."""
    return NAMES.get(code, code)


def spoken(asked: str | None, known: Sequence[str]) -> str | None:
    """
    Return the code of the language that was *asked* for, None to detect it.

    *known* are the model's; empty if it tells none, and then any code is passed on.

    Raises:
        LanguageError: the model does not know it.
    """
    text = (asked or DETECT).strip().lower()
    if text in (DETECT, "detect", ""):
        return known[0] if len(known) == 1 else None
    code = _CODES.get(text, text.replace("_", "-").split("-")[0])
    if code in known or not known:
        return code
    if len(known) == 1:
        raise LanguageError(f"This model understands {name(known[0])} only, not {name(code)}")
    raise LanguageError(f"This model does not know the language {asked}")


def choices(known: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """Return label and code of each of *known* for a menu; of all, as long as nobody knows."""
    if known is not None and len(known) == 1:
        return [(name(known[0]), known[0])]
    ordered = sorted(known or NAMES, key=name)
    return [("Detect the language", DETECT), *((name(code), code) for code in ordered)]
