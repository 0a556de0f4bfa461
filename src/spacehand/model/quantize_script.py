"""
Write an int8 copy of a model of transformers, with whatever Python has PyTorch, transformers and torchao:

    python quantize_script.py MODEL_FOLDER TARGET_FOLDER

It runs as a program of its own: the tool does not depend on PyTorch. The copy is quantized exactly as the
bundled speech app does it while it loads: the matrices of linear layers, weights only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(source: str, target: str) -> None:
    """Quantize the model in *source* into *target*."""
    import transformers
    from torchao.quantization import Int8WeightOnlyConfig

    named = json.loads((Path(source) / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    kind: Any = next((found for name in named if (found := getattr(transformers, str(name), None))), None)
    if kind is None:
        sys.exit(f"transformers {transformers.__version__} has no class {', '.join(named) or 'for it'}")
    transformers.utils.logging.set_verbosity_error()
    try:
        model = kind.from_pretrained(
            source,
            dtype="auto",
            local_files_only=True,
            device_map="cpu",
            quantization_config=transformers.TorchAoConfig(Int8WeightOnlyConfig()),
        )
    except (RuntimeError, NotImplementedError, ValueError) as error:
        # Of some classes transformers cannot tell which layers are which; it says so on a hundred lines.
        why = next(iter(str(error).splitlines()), type(error).__name__)
        sys.exit(f"transformers {transformers.__version__} cannot load {kind.__name__} in int8: {why}")
    if not any("Int8" in type(parameter.data).__name__ for parameter in model.parameters()):
        sys.exit("No part of this model could be quantized to int8")
    model.save_pretrained(target)


if __name__ == "__main__":
    main(*sys.argv[1:3])
