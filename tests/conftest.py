"""What every test starts from: a quiet backend, no window, a fixed seed, no data folder of the user's."""

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

# Read when TensorFlow and matplotlib are imported, in this process and in those that tests start.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["MPLBACKEND"] = "Agg"

pytest.register_assert_rewrite("tests.kit")

_temporary_data_dir: str | None = None


def pytest_configure(config: pytest.Config) -> None:
    """Gives tensorflow-datasets a temporary folder, unless one was chosen; it is read on its import.

    With pytest-xdist every worker has its own, so that no two prepare a data set in the same place.
    """
    global _temporary_data_dir
    is_controller = bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")
    if "TFDS_DATA_DIR" not in os.environ and not is_controller:
        _temporary_data_dir = tempfile.mkdtemp(prefix="bayeskeras-tfds-")
        os.environ["TFDS_DATA_DIR"] = _temporary_data_dir


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes that folder."""
    global _temporary_data_dir
    if _temporary_data_dir is not None:
        del os.environ["TFDS_DATA_DIR"]
        shutil.rmtree(_temporary_data_dir, ignore_errors=True)
        _temporary_data_dir = None


def pytest_report_header(config: pytest.Config) -> str:
    """Names the backend in pytest's header."""
    import keras

    return f"keras {keras.__version__} on {keras.backend.backend()}"


@pytest.fixture(autouse=True)
def seed() -> Iterator[None]:
    """Gives every test the same random numbers, whichever tests ran before it."""
    import keras

    keras.utils.set_random_seed(0)
    yield
