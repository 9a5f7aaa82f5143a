"""The floors of the architecture: who imports whom, and which library has which home."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "proxy").rglob("*.py"))

PURE = frozenset(
    {
        "abc",
        "base64",
        "binascii",
        "collections",
        "dataclasses",
        "enum",
        "functools",
        "hashlib",
        "heapq",
        "json",
        "math",
        "re",
        "typing",
        "http",
        "datetime",
        "calendar",
        "zlib",
    }
)
"""What the core may import of the standard library: nothing that has a clock, a socket, a task, a log or a die in it."""

CLOCKS = frozenset({"now", "utcnow", "today", "time", "monotonic", "perf_counter"})
"""Attributes that read a clock, in modules that are pure otherwise."""

# Library -> where it may be imported.
HOMES = {
    "redis": ["proxy/store/redis_line.py"],
    "sqlite3": ["proxy/store/sqlite.py", "proxy/store/sqlite_file.py", "proxy/cli.py"],
    "httptools": ["proxy/origin/"],
    "prometheus_client": ["proxy/telemetry/exposition.py", "proxy/telemetry/series.py"],
    "aiohttp": ["proxy/gateway/", "proxy/admin/", "proxy/app.py", "proxy/supervisor/"],
    "opentelemetry": ["proxy/gateway/tracing.py"],
    "uvloop": ["proxy/app.py"],
    "msgspec": ["proxy/config/", "proxy/admin/", "proxy/supervisor/"],
    "tomllib": ["proxy/config/"],
    "argparse": ["proxy/arguments.py", "proxy/cli.py", "proxy/help.py", "proxy/operating.py"],
    "orjson": ["proxy/gateway/", "proxy/telemetry/", "proxy/admin/", "proxy/store/"],
}


def imports(module: Path) -> Iterator[tuple[str, str]]:
    """The absolute imports of a module, wherever they stand: module and name (empty: the module itself)."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ""
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                yield node.module or "", alias.name


def name_of(module: Path) -> str:
    return module.relative_to(ROOT).as_posix()


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 40
    assert {root.partition(".")[0] for module in MODULES for root, _ in imports(module)} >= set(HOMES)


@pytest.mark.parametrize("module", [module for module in MODULES if module.parent.name == "core"], ids=name_of)
def test_the_core_is_pure(module: Path) -> None:
    assert {name.partition(".")[0] for name, _ in imports(module)} <= PURE
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)]
    called = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}
    assert not called & CLOCKS


@pytest.mark.parametrize("library", HOMES)
def test_a_library_has_one_home(library: str) -> None:
    users = [name_of(module) for module in MODULES if any(name.partition(".")[0] == library for name, _ in imports(module))]
    assert users
    assert [user for user in users if not user.startswith(tuple(HOMES[library]))] == []


def test_the_client_of_aiohttp_is_used_only_between_parent_and_workers() -> None:
    """It sends writes a second time by itself."""
    others = [module for module in MODULES if name_of(module) != "proxy/supervisor/forwarding.py"]
    used = {(name, part) for module in others for name, part in imports(module) if name.partition(".")[0] == "aiohttp"}
    assert {name for name, part in used if name != "aiohttp"} <= {"aiohttp.http", "aiohttp.web"}
    assert {part for name, part in used if name == "aiohttp"} <= {"web", "StreamReader"}
    assert {part for name, part in used if name == "aiohttp.http"} <= {
        "HttpVersion10",
        "HttpVersion11",
        "HttpProcessingError",
        "RawRequestMessage",
    }


def test_inside_the_package_imports_are_relative() -> None:
    assert [name_of(module) for module in MODULES for name, _ in imports(module) if name.partition(".")[0] == "proxy"] in (
        [],
        ["proxy/cli.py"],
    )


def test_tasks_are_made_where_they_are_owned() -> None:
    """create_task outside these homes would be a task that nobody awaits."""
    homes = (
        "proxy/gateway/tasks.py",
        "proxy/store/redis_batch.py",
        "proxy/store/redis_cluster.py",
        "proxy/store/redis_connect.py",
        "proxy/gateway/tunnel.py",  # in a group, which awaits them
    )
    makers = [
        name_of(module)
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("create_task", "ensure_future")
    ]
    assert set(makers) <= set(homes)


def test_the_contracts_of_the_layers_are_kept() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
