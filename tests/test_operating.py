"""The commands for who operates a running noclobber: over TCP and a Unix socket, with and without the token, and where nobody answers."""

import asyncio
import io
import json
import signal
import sys
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from proxy import cli
from proxy.arguments import parser
from proxy.operating import TOKEN_VARIABLE, operate
from tests.admin.asking import TOKEN
from tests.gateway.conftest import legacy
from tests.gateway.legacy import Legacy
from tests.gateway.serving import Door, serving
from tests.test_cli import ROOT, run

__all__ = ["legacy"]


class Done(NamedTuple):
    status: int
    out: str
    err: str


async def carry_out(*words: str, **environ: str) -> Done:
    """Carry a command out in this process."""
    out, err = io.StringIO(), io.StringIO()

    def work() -> int:
        with redirect_stderr(err):
            return operate(parser().parse_args(words), environ, out.write)

    status = await asyncio.to_thread(work)
    return Done(status, out.getvalue(), err.getvalue())


async def provoke(door: Door) -> None:
    tag = await door.tag()
    assert (await door.ask(b"PUT", b"/doc", b"Authorization: a", b"If-Match: " + tag, body=b"new")).status == 204
    assert (await door.ask(b"PUT", b"/doc", b"Authorization: b", b"If-Match: " + tag, body=b"late")).status == 412
    await asyncio.sleep(0.1)


async def test_the_status_is_told_in_words_and_in_json(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        await provoke(door)
        told = await carry_out("status", "--admin", door.gateway.admin)
        plain = await carry_out("status", "--json", "--admin", f"http://{door.gateway.admin}/")
    assert told.status == plain.status == 0
    for part in ("ready; mode enforce", "store       memory:// up", "3 (1 reads, 2 writes)", "1 stale; lost updates prevented: 1", "pid "):
        assert part in told.out
    assert told.out.splitlines()[-1].startswith("unrouted  /{path*}  not guarded")
    document = json.loads(plain.out)
    assert (document["status"]["totals"]["requests"], document["routes"][0]["name"]) == (3, "default")


async def test_it_is_found_by_the_configuration_and_over_a_unix_socket(legacy: Legacy, tmp_path: Path) -> None:
    place, file = f"unix:{tmp_path}/admin.sock", tmp_path / "config.toml"
    file.write_text(f'[upstream]\nurl = "http://a"\n[server]\nadmin = "{place}"\nadmin_token = "{TOKEN}"\n')
    async with serving(legacy.port, server__admin=place, server__admin_token=TOKEN):
        assert (await carry_out("healthcheck", "--admin", place)).out == "alive\n"
        assert (await carry_out("healthcheck", "--ready", "--config", str(file))).out == "ready\n"
        assert (await carry_out("healthcheck", NOCLOBBER__SERVER__ADMIN=place)).status == 0
        # The token is the configuration's too.
        assert (await carry_out("mark-unknown", "/doc", "--config", str(file))).status == 0


async def test_a_resource_is_told_with_what_happened_to_it(legacy: Legacy) -> None:
    async with serving(legacy.port, server__admin_token=TOKEN) as door:
        await provoke(door)
        told = await carry_out("inspect", "/doc", "--admin", door.gateway.admin)
        full = await carry_out("inspect", "/doc", "--admin", door.gateway.admin, **{TOKEN_VARIABLE: TOKEN})
        plain = await carry_out("inspect", "/doc", "--json", "--admin", door.gateway.admin)
    assert "state       settled: Nothing is in flight." in told.out
    assert "shown to who has the admin token" in told.out
    assert [line.split()[1:3] for line in told.out.splitlines()[-1:]] == [["stale", "PUT"]]
    assert 'tag         "' in full.out
    assert json.loads(plain.out)["state"] == "settled"


async def test_a_record_is_forgotten_and_marked_with_the_token_alone(legacy: Legacy, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    async with serving(legacy.port, server__admin_token=TOKEN) as door:
        await provoke(door)
        place = "--admin", door.gateway.admin
        with pytest.raises(Exception, match="needs the token"):
            await carry_out("forget", "/doc", *place)
        assert "state       settled" in (await carry_out("forget", "/doc", *place, "--token-file", str(file))).out
        assert "state       unknown" in (await carry_out("mark-unknown", "/doc", *place, "--token-file", str(file))).out
        with pytest.raises(Exception, match="not the one of"):
            await carry_out("forget", "/doc", *place, **{TOKEN_VARIABLE: "another-token-than-that"})


async def test_a_health_check_tells_why_not(legacy: Legacy) -> None:
    async with serving(legacy.port, store="redis://127.0.0.1:1", store__timeout_seconds=0.1) as door:
        alive = await carry_out("healthcheck", "--admin", door.gateway.admin)
        ready = await carry_out("healthcheck", "--ready", "--admin", door.gateway.admin)
    assert alive == Done(0, "alive\n", "")
    assert (ready.status, ready.out) == (1, "")
    assert "the store" in ready.err


async def test_a_reload_that_cannot_be_is_a_failure(legacy: Legacy) -> None:
    async with serving(legacy.port, server__admin_token=TOKEN) as door:
        with pytest.raises(Exception, match="can load the configuration anew"):
            await carry_out("reload", "--admin", door.gateway.admin, **{TOKEN_VARIABLE: TOKEN})


FAILURES = {
    ("status", "--admin", "127.0.0.1:1"): (1, "nobody answers at 127.0.0.1:1 (Connection refused)"),
    ("healthcheck", "--admin", "unix:/nowhere/at.all"): (1, "nobody answers at unix:/nowhere/at.all (No such file or directory)"),
    ("status", "--admin", "nonsense"): (2, "--admin has no port, read 'nonsense'"),
    ("status", "--config", "none.toml"): (2, "none.toml: cannot be read"),
    ("forget", "/doc", "--admin", "127.0.0.1:1", "--token-file", "none"): (2, "--token-file: none cannot be read: No such file"),
    ("stauts",): (2, "there is no command 'stauts'; did you mean status?"),
    ("xyzzy",): (2, "there is no command 'xyzzy'; see noclobber --help"),
}


@pytest.mark.parametrize(("words", "expected"), FAILURES.items(), ids=[" ".join(words) for words in FAILURES])
def test_what_cannot_be_done_is_said(words: tuple[str, ...], expected: tuple[int, str], capsys: pytest.CaptureFixture[str]) -> None:
    status: int | str | None
    try:
        status = cli.main(words)
    except SystemExit as left:
        status = left.code
    assert status == expected[0]
    assert expected[1] in capsys.readouterr().err


async def test_somebody_else_who_listens_is_told_from_noclobber(legacy: Legacy) -> None:
    with pytest.raises(Exception, match="is not noclobber's admin listener"):
        await carry_out("status", "--admin", f"127.0.0.1:{legacy.port}")


async def test_a_health_check_loads_little(legacy: Legacy) -> None:
    """It runs every few seconds, beside what it checks."""
    program = (
        # What measures coverage has loaded some before.
        "import sys\nbefore = set(sys.modules)\nfrom proxy.cli import main\nstatus = main(sys.argv[1:])\nheavy = {'aiohttp', 'redis', "
        "'uvloop', 'asyncio', 'sqlite3', 'orjson', 'proxy.app'}\nprint(sorted(heavy & sys.modules.keys() - before))\nsys.exit(status)"
    )
    async with serving(legacy.port) as door:
        done = await asyncio.to_thread(run, "-c", program, "healthcheck", "--ready", "--admin", door.gateway.admin)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ready\n[]\n", "")


async def test_watching_goes_on_until_it_is_interrupted(legacy: Legacy) -> None:
    async with serving(legacy.port) as door:
        words = "-m", "proxy", "status", "--json", "--watch", "--admin", door.gateway.admin
        environ = {"PYTHONPATH": str(ROOT), "PATH": ""}
        # Who runs the tests in the background has it ignored, and children inherit that.
        heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        watching = await asyncio.create_subprocess_exec(
            sys.executable, *words, env=environ, stdout=asyncio.subprocess.PIPE, preexec_fn=heeds
        )
        assert watching.stdout is not None
        for _ in range(2):
            assert json.loads(await watching.stdout.readline())["status"]["ready"] is True
        watching.send_signal(signal.SIGINT)
        assert await watching.wait() == 0
