"""Write the dashboards: `./dev dashboards`. A test holds the files against what this writes."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from . import concurrency, overview, process, store
from .layout import document

FOLDER = Path(__file__).parent / "dashboards"
DASHBOARDS = (overview.DASHBOARD, concurrency.DASHBOARD, store.DASHBOARD, process.DASHBOARD)


def files() -> Iterator[tuple[Path, str]]:
    """Yield where each dashboard belongs, and its text."""
    for dashboard in DASHBOARDS:
        name = dashboard.uid.removeprefix("noclobber-")
        yield FOLDER / f"{name}.json", json.dumps(document(dashboard), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write every file that is not as it ought to be."""
    for path, text in files():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"written: {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
