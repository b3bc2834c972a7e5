"""The version, written here only; setup.cfg reads it without importing Keras."""

__version__ = "0.1.0"
