"""What holds for the project as a whole: light imports, one direction, declared dependencies, clean files."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("governance", "pipelines", "registry", "zoo")
HEAVY = frozenset({
    "tensorflow", "tensorflow_text", "tensorflow_datasets", "keras", "keras_hub", "mlflow", "spacy",
    "presidio_analyzer", "presidio_anonymizer", "pandas", "pyarrow", "matplotlib", "torch", "jax",
})  # fmt: skip
#: What `zoo --help` can do without, besides: together they cost more than the whole budget of 0.5 s.
LATE = HEAVY | {"pydantic", "yaml", "numpy", "sqlalchemy", "apscheduler", "tokenizers", "faker", "fastapi", "scipy"}
MAX_LINES = 400


def project_files() -> Iterator[Path]:
    """Files of the project without environments, caches and state (.gitignore's folders)."""
    skip = {"build", "dist", "site", "mlruns", "mlartifacts", "__pycache__"}
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            f for f in folders if f not in skip and not f.endswith(".egg-info") and (f[0] != "." or f == ".ci")
        ]
        yield from (Path(folder, name) for name in names if not name.endswith((".pyc", ".log", ".tmp", ".db")))


def run_python(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_no_heavy_library(package: str) -> None:
    printed = run_python(f"import sys, json, {package}; print(json.dumps(sorted(sys.modules)))")
    assert HEAVY.isdisjoint(json.loads(printed))


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys, json, contextlib, io; sys.argv = ['zoo', '--help']\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out:\n"
        "    try:\n"
        "        from zoo.cli import main; main()\n"
        "    except SystemExit as end:\n"
        "        assert not end.code, end.code\n"
        "assert 'train' in out.getvalue(), out.getvalue()\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    assert LATE.isdisjoint(json.loads(run_python(code)))


@pytest.mark.slow
def test_mlflow_sends_no_usage_reports(tmp_path: Path) -> None:
    """MLflow holds its reports back where it sees a test or CI, so here it must not see one."""
    code = (
        f"from registry import Tracking; Tracking('sqlite:///{tmp_path}/mlflow.db').client.search_experiments()\n"
        "from mlflow.telemetry.client import get_telemetry_client; assert get_telemetry_client() is None"
    )
    hidden = {"PYTEST_CURRENT_TEST", "CI", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"}
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_imports_go_one_way() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_files_stay_short() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in project_files()
        if path.suffix == ".py"
    }
    assert lengths
    assert not {name: lines for name, lines in lengths.items() if lines >= MAX_LINES}


FORBIDDEN = {
    "a path of somebody's machine": r"(?<![\w.])/(?:root|home/[a-z]\w*|Users/\w+|work/(?:main|shared))/",
    "a package index or a file of one machine": r"--(?:extra-)?index-url|--find-links|@ file:|/opt/pypi",
    "a user and password in a URL": r"\w+://[^\s/:@{}<>\"']+:(?!secret@|password@)[^\s/@{}<>$*\"']+@[\w.-]+",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a key of a cloud or a forge": r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{36}|hf_[A-Za-z]{34}|sk-\w{32,})\b",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in project_files()
        if path != Path(__file__).resolve()  # the samples below
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found


SAMPLES = [
    ("a path of somebody's machine", 'open("/home/ada/x.txt")', True),
    ("a path of somebody's machine", "cd /work/main/zoo", True),
    ("a path of somebody's machine", "https://example.org/home/page/", False),
    ("a package index or a file of one machine", "pip install --index-url https://x", True),
    ("a package index or a file of one machine", "numpy @ file:///tmp/numpy.whl", True),
    ("a user and password in a URL", "postgresql://zoo:hunter2@db/zoo", True),
    ("a user and password in a URL", "postgresql://user:secret@db/zoo shown as user:***@db", False),
    ("a user and password in a URL", "postgresql://USER:$PASSWORD@{host}/zoo", False),
    ("a private key", "-----BEGIN RSA PRIVATE KEY-----", True),
    ("a key of a cloud or a forge", "AKIA" + "A" * 16, True),
]


@pytest.mark.parametrize(("what", "line", "matches"), SAMPLES)
def test_what_counts_as_forbidden(what: str, line: str, matches: bool) -> None:
    assert bool(re.search(FORBIDDEN[what], line)) is matches


def imported_libraries() -> dict[str, str]:
    """Top-level names that our packages import anywhere, with one place of each."""
    found: dict[str, str] = {}
    for path in project_files():
        if path.suffix != ".py" or path.relative_to(ROOT).parts[0] not in PACKAGES:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found |= {name.split(".")[0]: f"{path.relative_to(ROOT)}:{node.lineno}" for name in names}
    return found


def test_every_imported_library_is_declared() -> None:
    declared = {
        re.sub(r"[-_.]+", "-", Requirement(line).name.lower())
        for line in metadata.requires("domain-zoo") or []
        if "extra == 'test'" not in line.replace('"', "'") and "extra == 'docs'" not in line.replace('"', "'")
    }
    distributions = metadata.packages_distributions()
    undeclared = {
        name: place
        for name, place in imported_libraries().items()
        if name not in sys.stdlib_module_names
        and name not in PACKAGES
        and not {re.sub(r"[-_.]+", "-", d.lower()) for d in distributions.get(name, [name])} & declared
    }
    assert not undeclared


def test_a_built_package_has_every_file(tmp_path: Path) -> None:
    """Folders without `__init__.py` and data that setup.py does not name would be missing once installed."""
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    ours = {path.relative_to(ROOT) for path in project_files()}
    ours = {path for path in ours if path.parts[0] in PACKAGES and path.name != ".gitignore"}
    missing = ours - {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}
    assert ours
    assert not sorted(map(str, missing))


def test_tested_versions_are_exact() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wrong = [line for line in lines if not re.fullmatch(r"#.*|[\w.-]+==[\w.!]+", line)]
    assert lines
    assert not wrong


def test_the_version_stands_in_one_number() -> None:
    import zoo

    assert metadata.version("domain-zoo") == zoo.__version__


def test_a_workspaces_own_pipelines_folder_does_not_hide_the_package(tmp_path: Path) -> None:
    """Python started in a workspace has that folder first on its path."""
    (tmp_path / "pipelines").mkdir()
    command = [sys.executable, "-c", "import pipelines.spec, zoo.job; print(pipelines.spec.__file__)"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
