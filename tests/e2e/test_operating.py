"""noclobber run with two workers, and every command that an operator has for it, each in a process of its own."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.processes import Noclobber
from tests.gateway.client import Client
from tests.gateway.legacy import Legacy

TOKEN = "0123456789abcdef"
CONFIG = f'[server]\nadmin_token = "{TOKEN}"\n[upstream]\nurl = "http://127.0.0.1:1"\n[[route]]\nname = "docs"\npath = "/{{path*}}"\n'


async def command(noclobber: Noclobber, *words: str, **environ: str) -> tuple[int, str, str]:
    """Run a command against a noclobber: its exit status, and what it says where."""
    arguments = [sys.executable, "-m", "proxy", *words, "--admin", f"127.0.0.1:{noclobber.admin_port}"]
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("NOCLOBBER")}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(arguments, env=inherited | environ, capture_output=True, text=True, timeout=60, check=False)

    done = await asyncio.to_thread(run)
    return done.returncode, done.stdout, done.stderr


async def lose(noclobber: Noclobber) -> None:
    """Have a write refused; each request is a connection of its own, so any worker may get it."""

    async def ask(method: bytes, *lines: bytes, body: bytes | None = None) -> tuple[int, bytes]:
        async with await Client.connect(f"127.0.0.1:{noclobber.port}") as client:
            answer = await client.ask(method, b"/doc", *lines, body=body)
            return answer.status, answer.one(b"ETag") or b""

    _, tag = await ask(b"GET")
    assert (await ask(b"PUT", b"If-Match: " + tag, body=b"new " + tag))[0] == 204
    assert (await ask(b"PUT", b"If-Match: " + tag, body=b"late"))[0] == 412


async def test_a_day_of_an_operator(tmp_path: Path) -> None:
    file, log, store = tmp_path / "config.toml", tmp_path / "log", f"sqlite:///{tmp_path}/store.db"
    file.write_text(CONFIG)
    with_token = {"NOCLOBBER_ADMIN_TOKEN": TOKEN}
    async with Legacy() as legacy:
        legacy.documents["/doc"] = b"1"
        with await asyncio.to_thread(Noclobber, legacy.port, store, log, config=file, workers=2) as noclobber:
            await asyncio.to_thread(noclobber.wait_until_ready)
            assert await command(noclobber, "healthcheck", "--ready") == (0, "ready\n", "")
            for _ in range(4):
                await lose(noclobber)
            status, said, _ = await command(noclobber, "status")
            assert status == 0
            assert all(part in said for part in ("worker 0", "worker 1", "12 (4 reads, 8 writes)", "4 stale; lost updates prevented: 4")), (
                said
            )
            assert "state       settled" in (await command(noclobber, "inspect", "/doc"))[1]
            status, _, complaint = await command(noclobber, "forget", "/doc")
            assert (status, "needs the token" in complaint) == (1, True)
            assert (await command(noclobber, "forget", "/doc", **with_token))[0] == 0
            assert "forgotten by 127.0.0.1" in log.read_text()
            assert (await command(noclobber, "reload", **with_token))[:2] == (0, "loaded: the new configuration is served\n")
            file.write_text(CONFIG + "colour = 1\n")
            status, _, complaint = await command(noclobber, "reload", **with_token)
            assert (status, f"{file}:8: route[0].colour: is unknown" in complaint) == (1, True), complaint
            assert "RELOAD FAILED" in (await command(noclobber, "status"))[1]
            await lose(noclobber)
            # What workers had counted that are gone is not forgotten.
            assert "5 stale; lost updates prevented: 5" in (await command(noclobber, "status"))[1]
            port = noclobber.admin_port
        status, _, complaint = await command(noclobber, "healthcheck")
        assert (status, f"nobody answers at 127.0.0.1:{port}" in complaint) == (1, True)
