"""What holds for every test: no outside network, no workspace of the person who runs it, a time limit.

The network block is tests/_offline/sitecustomize.py; it works in child processes too.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

OFFLINE = Path(__file__).parent / "_offline"
SLOW_TIMEOUT = 1800  # seconds

# A user's own settings must not leak into the tests, nor the tests into a user's workspace.
for name in ("ZOO_HOME", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "KERAS_BACKEND"):
    os.environ.pop(name, None)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["MPLBACKEND"] = "agg"

# The block itself: in this process now, in children through PYTHONPATH.
_scratch = tempfile.TemporaryDirectory(prefix="zoo-tests-")
NETWORK_LOG = Path(_scratch.name) / "network.log"
os.environ["ZOO_TEST_NETWORK_LOG"] = str(NETWORK_LOG)
os.environ.setdefault("ZOO_COMPILE_CACHE", str(Path(_scratch.name) / "compiled"))  # for child processes too
_paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", str(OFFLINE))]
os.environ["PYTHONPATH"] = os.pathsep.join([str(OFFLINE), *_paths])
if getattr(sys.modules.get("sitecustomize"), "__file__", None) != str(OFFLINE / "sitecustomize.py"):
    sys.modules.pop("sitecustomize", None)  # the one of the operating system has done its work
    sys.path.insert(0, str(OFFLINE))
    import sitecustomize  # noqa: F401 - installs the audit hook

    sys.path.remove(str(OFFLINE))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests have a longer limit than the one in pyproject.toml, unless they say their own."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT))


def pytest_collection_finish(session: pytest.Session) -> None:
    """A pytest that its xdist does not know would let each worker make what a group of tests is to share."""
    if not getattr(session.config.option, "loadgroup", False):
        return
    for item in session.items:
        if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
            raise pytest.UsageError("pytest-xdist does not group tests on this pytest; see constraints.txt")


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database to copy, see `tests.support.mlflow_template`."""
    from tests.support.mlflow_template import build_template

    return build_template(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(autouse=True)
def _no_swallowed_network_attempt() -> Iterator[None]:
    """Fails a test that reached outside, here or in a child, even when something swallowed the error."""
    before = _attempts()
    yield
    new = _attempts()[len(before) :]
    if new:
        pytest.fail("\n".join(dict.fromkeys(new)), pytrace=False)


def _attempts() -> list[str]:
    return NETWORK_LOG.read_text(encoding="utf-8").splitlines() if NETWORK_LOG.exists() else []
