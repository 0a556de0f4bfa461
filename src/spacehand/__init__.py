"""From a trained model, or an app folder, to a live Hugging Face Space."""

__all__ = ["__version__"]

__version__ = "0.1.0"
