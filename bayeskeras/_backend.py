"""Chooses the backend of Keras where TensorFlow, its default, is not installed and nobody said which.

Imported for this effect, before Keras.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path


def _choose() -> None:
    """Set `KERAS_BACKEND` to `"jax"` or `"torch"`, where `import keras` would fail without."""
    if "keras" in sys.modules or "KERAS_BACKEND" in os.environ or find_spec("tensorflow") is not None:
        return
    # Keras writes its default, TensorFlow, into this file at its first import, be it installed or not.
    file = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()) / "keras.json"
    try:
        named = json.loads(file.read_text(encoding="utf-8")).get("backend", "tensorflow")
    except (OSError, ValueError):
        named = "tensorflow"
    installed = [name for name in ("jax", "torch") if find_spec(name) is not None]
    if named == "tensorflow" and installed:
        os.environ["KERAS_BACKEND"] = installed[0]


_choose()
