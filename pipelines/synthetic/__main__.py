"""``python -m pipelines.synthetic OUT_DIR`` writes the bundled corpus."""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.synthetic.corpus import write


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m pipelines.synthetic OUT_DIR", file=sys.stderr)
        return 2
    for path, rows in write(Path(arguments[0])).items():
        print(f"{path}: {rows} documents, {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
