"""The name of what computes."""

import os
import subprocess
import sys

import pytest

from bayeskeras.device import device_name


def test_cores_are_those_that_the_process_may_use() -> None:
    kind, _, cores = device_name().partition(", ")
    if kind != "CPU":
        pytest.skip(f"on an accelerator: {kind}")
    assert int(cores.split()[0]) == len(os.sched_getaffinity(0))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity of processes is Linux's")
def test_one_core() -> None:
    script = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from bayeskeras.device import device_name; print(device_name())"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip().endswith("CPU, 1 core") or "CPU" not in answer.stdout
