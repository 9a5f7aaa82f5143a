"""Packages of npm, in the versions of a lock file, installed once for all test processes."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.peers import installed

CACHES = Path(__file__).resolve().parents[2] / ".dev"
INSTALL_SECONDS = 180


def node_modules(folder: Path, name: str) -> Path:
    """The node_modules of the lock file in folder; name is that of the cache. The tests fail, not skip, where npm cannot get them."""
    lock_file = (folder / "package-lock.json").read_bytes()
    cache = CACHES / f"{name}-{hashlib.sha256(lock_file).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "install.lock", "w") as lock:
        # Two test processes may come here at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "installed").exists():
            for file in ("package.json", "package-lock.json"):
                shutil.copy(folder / file, cache)
            command = [installed("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(cache)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
            if done.returncode != 0:
                pytest.fail(f"npm cannot install what {folder / 'package.json'} names: {done.stderr.strip()[-400:]}")
            (cache / "installed").touch()
    return cache / "node_modules"
