"""Settings of the tests of layers, read before the first computation."""

import os

if os.environ.get("KERAS_BACKEND") == "jax":
    # Dozens of small programs are compiled and run a few times: XLA need not polish them. Halves the time.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
