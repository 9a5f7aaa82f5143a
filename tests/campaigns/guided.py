"""Coverage-guided fuzz (atheris) of what reads bytes of strangers: tags, targets, fields, and the configuration.

Each reader must come to an end without an exception other than its own, and keep what it promises: a tag is written as it was read, a
target is a fixed point, a field that passes is one line. Each runs in a process of its own, which libFuzzer ends.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from proxy.config import load_config
from proxy.core.alias import EXACT, Aliases, Case, PathParameters, Query, TrailingSlash
from proxy.core.etag import EntityTag, parse_tag, parse_tag_list
from proxy.core.fields import RequestFields, read_request_fields
from proxy.core.target import RefusedTarget, parse_target
from proxy.errors import ConfigError

KINDS = (
    EXACT,
    Aliases(Case.INSENSITIVE, TrailingSlash.IGNORED, Query.SIGNIFICANT, (".json",), PathParameters.STRIP),
    Aliases(Case.INSENSITIVE, TrailingSlash.IGNORED, ("id",), (".JSON", ".xml"), PathParameters.KEEP),
)
HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"te", b"transfer-encoding", b"upgrade", b"trailer", b"content-length"))


def read_tags(data: bytes) -> None:
    """A tag is written as it was read, but for white space around it, and a list of any lines is read or refused."""
    tag = parse_tag(data)
    assert not isinstance(tag, EntityTag) or bytes(tag) == data.strip(b" \t")
    parse_tag_list(data.split(b"\n"))


def read_target(data: bytes) -> None:
    """What is forwarded is a fixed point, and so is the key that is made of it."""
    for aliases in KINDS:
        target = parse_target(data, b"a")
        if isinstance(target, RefusedTarget):
            return
        admitted = aliases.admit(target)
        if isinstance(admitted, RefusedTarget):
            continue
        again = parse_target(admitted.forwarded, b"a")
        assert again == admitted
        assert aliases.admit(admitted) == admitted
        assert aliases.fold(again) == aliases.fold(admitted)
        path = aliases.fold_path(admitted.path)
        assert aliases.fold_path(path) == path


def read_fields(data: bytes) -> None:
    """What passes is whole lines, none of which ends at this hop. Line ends never come this far: the parser refuses them."""
    pairs = [line.partition(b":")[::2] for line in data.replace(b"\r", b"").split(b"\n")]
    fields = read_request_fields([(name, value) for name, value in pairs if name])
    if isinstance(fields, RequestFields):
        for line in (*fields.passing, *fields.content, *fields.condition_lines, *fields.range_lines):
            assert line.endswith(b"\r\n")
            assert line.count(b"\n") == 1
            assert line.partition(b":")[0].lower() not in HOP_BY_HOP


def read_configuration(data: bytes) -> None:
    """A file is taken, or its mistakes are told."""
    file = Path(tempfile.gettempdir(), f"noclobber-guided-{os.getpid()}.toml")
    file.write_bytes(data)
    with contextlib.suppress(ConfigError):
        load_config(file, {}, {"upstream": "http://127.0.0.1:9000"})
    file.unlink()


READERS: Mapping[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]] = {
    "tags": (read_tags, (b'"a"', b'W/"a", *\n"b"', b',"",')),
    "target": (read_target, (b"/a/b?c=d", b"http://a/%41;x/.json?id=1&id=2", b"/A%2Cb/")),
    "fields": (read_fields, (b"Host:a\nConnection:close, x\nX:1", b"Host:a\nTransfer-Encoding:chunked\nIf-Match:*\nRange:bytes=0-")),
    "configuration": (read_configuration, (b'[[route]]\nname="a"\npath="/{b*}"\nquery=["c"]\n', b'[server]\nlisten="[::1]:1"\n[log]\n')),
}
"""What is fuzzed, by name: the reader, and bytes to begin with."""


# Before anything of noclobber's is imported: what has been imported is not instrumented any more.
SCRIPT = """
import sys
import atheris
with atheris.instrument_imports(include=["proxy"], enable_loader_override=False):
    from tests.campaigns.guided import READERS
atheris.Setup(sys.argv[:1] + sys.argv[2:], READERS[sys.argv[1]][0])
atheris.Fuzz()
"""


def fuzz(name: str, seconds: int, directory: Path) -> str:
    """Fuzz one reader in a process of its own. Return the last lines of what it said; raises CalledProcessError where it failed."""
    corpus = directory / name
    corpus.mkdir()
    for number, seed in enumerate(READERS[name][1]):
        (corpus / str(number)).write_bytes(seed)
    command = [sys.executable, "-c", SCRIPT, name, str(corpus), f"-max_total_time={seconds}", "-max_len=512"]
    command += [f"-artifact_prefix={directory}/{name}-", "-timeout=10", "-rss_limit_mb=1024"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=seconds + 120)
    text = done.stdout.decode(errors="replace")
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, text)
    return next((line for line in reversed(text.splitlines()) if line.startswith("Done ")), text[-200:])


def guided(seconds: int) -> int:
    """Fuzz every reader for its share of seconds. Exit status 1: one of them failed, and its input is shown."""
    failed = False
    with tempfile.TemporaryDirectory(prefix="noclobber-guided-") as directory:
        for name in READERS:
            try:
                print(f"{name}: {fuzz(name, max(1, seconds // len(READERS)), Path(directory))}", flush=True)
            except subprocess.CalledProcessError as failure:
                failed = True
                print(f"{name}: FAILED\n{str(failure.output)[-3000:]}")
                for found in sorted(Path(directory).glob(f"{name}-*")):
                    print(f"{name}: input {found.read_bytes()!r}")
    print("FAILED" if failed else "passed")
    return 1 if failed else 0
