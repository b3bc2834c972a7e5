"""What every test starts from: a quiet backend, no window, a fixed seed, no data folder of the user's."""

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

# Read when backends and matplotlib are imported, in this process and in those that tests start.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["MPLBACKEND"] = "Agg"
# The networks here are small: to compile them takes longer than to run them.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

pytest.register_assert_rewrite("tests.kit")

#: Folders of this run, by the variable that names them: prepared data sets, compiled functions of JAX.
_FOLDERS = ("TFDS_DATA_DIR", "JAX_COMPILATION_CACHE_DIR")
_temporary: dict[str, str] = {}


def pytest_configure(config: pytest.Config) -> None:
    """Makes the temporary folders, unless they were chosen; workers of pytest-xdist share those of their run."""
    for variable in _FOLDERS:
        if variable not in os.environ:
            os.environ[variable] = _temporary[variable] = tempfile.mkdtemp(prefix="bayeskeras-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes them."""
    for variable, folder in _temporary.items():
        os.environ.pop(variable, None)
        shutil.rmtree(folder, ignore_errors=True)
    _temporary.clear()


def pytest_report_header(config: pytest.Config) -> str:
    """Names the backend in pytest's header."""
    import keras

    return f"keras {keras.__version__} on {keras.backend.backend()}"


@pytest.fixture(autouse=True, scope="session")
def quick_graphs() -> None:
    """Leaves out what TensorFlow does to make graphs faster, which takes longer here than it saves."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(autouse=True)
def seed() -> Iterator[None]:
    """Gives every test the same random numbers, whichever tests ran before it."""
    import keras

    keras.utils.set_random_seed(0)
    yield
