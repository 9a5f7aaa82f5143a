"""The commands for who operates a running noclobber: status, inspect, forget, mark-unknown, reload and healthcheck.

Each asks the admin listener, and says what it answers: as text for people, or as it came (--json) for programs.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from .config import load_config
from .errors import AdminRefused, ConfigError
from .remote import API, Remote
from .telling import tell_resource, tell_status

WATCH_SECONDS = 2.0
HEALTH_SECONDS = 5.0
TOKEN_VARIABLE = "NOCLOBBER_ADMIN_TOKEN"
_CLEAR = "\x1b[H\x1b[2J"
Out = Callable[[str], object]


def operate(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ, out: Out = sys.stdout.write) -> int:
    """Carry one command out, and return its exit status: 0 done, 1 refused, away or not ready. Raise ConfigError, NoclobberError."""
    remote = _remote(arguments, environ)
    match arguments.command:
        case "status":
            return _status(remote, arguments, out)
        case "inspect":
            resource = remote.read(f"{API}/resource", url=arguments.url, method=arguments.method)
            _say(resource, arguments, out, tell_resource)
        case "forget" | "mark-unknown":
            body = {"url": arguments.url, "method": arguments.method}
            _say(remote.change(f"{API}/resource/{arguments.command}", body), arguments, out, tell_resource)
        case "reload":
            return _reload(remote, out)
        case _:
            return _check_health(remote, arguments, out)
    return 0


def _status(remote: Remote, arguments: argparse.Namespace, out: Out) -> int:
    while True:
        status, routes = remote.read(f"{API}/status"), remote.read(f"{API}/routes")
        if arguments.json:
            out(json.dumps({"status": status, "routes": routes}, ensure_ascii=False) + "\n")
        else:
            clear = _CLEAR if arguments.watch and sys.stdout.isatty() else ""
            out(clear + tell_status(cast(dict[str, Any], status), cast(list[dict[str, Any]], routes)))
        if not arguments.watch:
            return 0
        sys.stdout.flush()
        time.sleep(WATCH_SECONDS)


def _reload(remote: Remote, out: Out) -> int:
    reload = cast(dict[str, Any], remote.change(f"{API}/reload", {}, 120.0))
    if reload["ok"]:
        out("loaded: the new configuration is served\n")
        return 0
    for error in reload["errors"]:
        sys.stderr.write(f"{error}\n")
    sys.stderr.write("noclobber: not loaded: the old configuration is still served\n")
    return 1


def _check_health(remote: Remote, arguments: argparse.Namespace, out: Out) -> int:
    try:
        remote.read("/readyz" if arguments.ready else "/healthz", HEALTH_SECONDS)
    except AdminRefused as refused:
        reasons = refused.document.get("reasons")
        why = "; ".join(map(str, reasons)) if isinstance(reasons, list) else str(refused)
        sys.stderr.write(f"noclobber: {why}\n")
        return 1
    out("ready\n" if arguments.ready else "alive\n")
    return 0


def _say(document: object, arguments: argparse.Namespace, out: Out, tell: Callable[[dict[str, Any]], str]) -> None:
    out(json.dumps(document, ensure_ascii=False, indent=2) + "\n" if arguments.json else tell(cast(dict[str, Any], document)))


def _remote(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Remote:
    """Where to ask: as the command line says, else as the configuration does, with its file, its variables and its default."""
    place, file = arguments.admin, getattr(arguments, "token_file", None)
    token = _token_in(file) if file is not None else environ.get(TOKEN_VARIABLE, "")
    if place and (token or not arguments.config):
        return Remote(place, token)
    # The backend is not asked: where no file names one, any does.
    anywhere = {} if arguments.config else {"upstream": "http://127.0.0.1"}
    server = load_config(arguments.config, environ, anywhere).server
    return Remote(place or server.admin, token or server.admin_token)


def _token_in(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"--token-file: {file} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}"]) from error
