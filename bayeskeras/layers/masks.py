"""Keras masks of tensors. Keras has no public name for them, and JAX tensors do not hold them as an attribute."""

from keras.src.backend import get_keras_mask, set_keras_mask

__all__ = ["get_keras_mask", "set_keras_mask"]
