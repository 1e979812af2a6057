"""Imports TensorFlow (or JAX) without the start-up chatter that its C++ parts write to standard error."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from zoo.compile_cache import compile_cache


def prepare_backend() -> None:
    """Imports Keras and its backend once, quietly. What was written is shown if the import fails."""
    if "keras" in sys.modules:
        return
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # Errors come as exceptions as well; what is logged as one besides is that there is no GPU, and each compiled
    # function that was found in the cache.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if (cache := compile_cache()) is not None:
        given = os.environ.get("TF_XLA_FLAGS", "")
        os.environ["TF_XLA_FLAGS"] = f"{given} --tf_xla_persistent_cache_directory={cache}".strip()
        if os.environ["KERAS_BACKEND"] == "jax":
            os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
            os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
    # TensorFlow's own pool keeps the memory of one training step for the next. Through malloc each
    # step of some hundred MB is mapped and zeroed anew by the kernel: a quarter of its time.
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
    with standard_error_held_back():
        import keras

        keras.ops.zeros(())  # the first operation initialises the devices, which writes as well
    # Each model that is opened compiles functions of its own; TensorFlow takes that for a mistake.
    logging.getLogger("tensorflow").addFilter(lambda record: "retracing" not in record.getMessage())
    # keras-hub's T5 hands its masks on itself; Keras takes their argument for one of its own.
    warnings.filterwarnings("ignore", r"Layer '\w+' \(of type T5MultiHeadAttention\) was passed an input with a mask")


def keras_backend() -> str:
    """Name of the backend that Keras runs on: "tensorflow" or "jax"."""
    prepare_backend()
    import keras

    return str(keras.config.backend())


def dtype_policy(wanted: str) -> str:
    """The Keras dtype policy behind "auto": mixed_bfloat16 on a GPU, float32 on a CPU.

    On a CPU without bfloat16 units the mixed policy is slower than float32.
    """
    if wanted != "auto":
        return wanted
    prepare_backend()
    return "mixed_bfloat16" if _has_gpu() else "float32"


def _has_gpu() -> bool:
    import keras

    if keras.config.backend() == "jax":
        import jax

        return bool(jax.default_backend() == "gpu")
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


@contextmanager
def standard_error_held_back() -> Iterator[None]:
    """Holds back what C++ code writes to file descriptor 2; replays it when the block raises."""
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            os.dup2(original, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
