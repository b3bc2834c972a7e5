"""The name of what computes, for records of trainings and of results."""

from __future__ import annotations

import os

import keras


def device_name() -> str:
    """What computes: the default device of the backend.

    Returns:
        The kind of the accelerator (`"GPU"` where the backend does not tell), or `"CPU, 2 cores"`.
    """
    device = keras.ops.zeros(()).device
    if "cpu" not in str(device).lower():
        return str(getattr(device, "device_kind", "GPU"))
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"CPU, {count} core{'' if count == 1 else 's'}"
