"""`zoo init`: a new workspace whose files explain themselves."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from governance.errors import ConfigError
from governance.keys import Keys
from zoo.workspace import WORKSPACE_FILE, Workspace

_GITIGNORE = "# models, raw text and the key of pseudonyms do not belong into version control\n.zoo/\ndata/\nkeys/\n"


def init(folder: Path) -> list[Path]:
    """Writes a workspace into a new or empty-enough folder; returns the files written.

    Raises:
        ConfigError: there is a workspace already, or the folder cannot be written.
    """
    folder = folder.expanduser().absolute()
    if (folder / WORKSPACE_FILE).exists():
        raise ConfigError("there is a workspace here already", where=str(folder / WORKSPACE_FILE))
    contents = {
        "pipelines/tax_domain.yaml": _template("tax_domain.yaml"),
        ".gitignore": _GITIGNORE,
        WORKSPACE_FILE: _template("zoo.yaml"),  # last: only with it is the folder a workspace
    }
    written = []
    try:
        (folder / "data" / "tax").mkdir(parents=True, exist_ok=True)
        (folder / "pipelines").mkdir(exist_ok=True)
        for name, text in contents.items():
            path = folder / name
            if not path.exists():
                path.write_text(text, encoding="utf-8")
                written.append(path)
    except OSError as error:
        raise ConfigError(f"cannot write the workspace: {error.strerror}", where=str(folder)) from None
    Keys.from_file(folder / "keys" / "pseudonyms.key", create=True)
    Workspace.load(folder)
    return written


def _template(name: str) -> str:
    return (resources.files("zoo") / "templates" / name).read_text(encoding="utf-8")
