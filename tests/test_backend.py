"""The backend that is chosen where nobody did."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

INSTALLED = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]


@pytest.mark.parametrize("file", [None, "tensorflow", "torch"])
def test_without_a_word_of_the_user_an_installed_backend_is_taken(file: str | None, tmp_path: Path) -> None:
    """Keras itself takes TensorFlow, and writes so into its file, be it installed or not."""
    if file:
        (tmp_path / "keras.json").write_text(json.dumps({"backend": file}))
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    code = "import bayeskeras, keras; print(keras.backend.backend())"
    expected = INSTALLED[0] if file != "torch" else "torch"
    if expected not in INSTALLED:
        pytest.skip(f"{expected} is not installed")
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "KERAS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.stdout.split() == [expected], result.stderr
