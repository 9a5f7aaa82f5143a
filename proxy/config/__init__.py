"""The configuration: TOML, environment and flags in; frozen values out, or every mistake with its place.

`schema.py` and `route.py` hold every key; `lines.py` knows where one stands; `reading.py` takes values in; `rules.py` looks at them
together. Only `app` and `cli` see a `Config` whole.
"""

from collections.abc import Mapping
from pathlib import Path

from .cautions import Caution
from .choices import Absent, AfterWrite, Level, LogForm, Missing, Mode, PutEtag, SafeMethods, TlsMinimum, Verify, Writers
from .forms import MEMORY, Address, Endpoint, UnixPath, masked
from .keys import FLAGS
from .limits import Limits
from .reading import Reading
from .route import EVERYTHING, Route
from .rules import Built, build
from .schema import Config, Log, Protocol, Store
from .server import Server
from .upstream import DEFAULT, NamedUpstream, Upstream

__all__ = [
    "DEFAULT",
    "EVERYTHING",
    "FLAGS",
    "MEMORY",
    "Absent",
    "Address",
    "AfterWrite",
    "Built",
    "Caution",
    "Config",
    "Endpoint",
    "Level",
    "Limits",
    "Log",
    "LogForm",
    "Missing",
    "Mode",
    "NamedUpstream",
    "Protocol",
    "PutEtag",
    "Route",
    "SafeMethods",
    "Server",
    "Store",
    "TlsMinimum",
    "UnixPath",
    "Upstream",
    "Verify",
    "Writers",
    "check_config",
    "explain_config",
    "load_config",
    "masked",
]


def load_config(path: Path | None, environ: Mapping[str, str], flags: Mapping[str, str]) -> Config:
    """Read the configuration: defaults, then the file at path (None: there is none), then `NOCLOBBER__...` variables, then flags.

    `flags` are named as in FLAGS, without dashes. Raise ConfigError with every mistake in any of them.
    """
    return check_config(path, environ, flags)[0]


def check_config(path: Path | None, environ: Mapping[str, str], flags: Mapping[str, str]) -> tuple[Config, list[Caution]]:
    """Read the configuration as `load_config` does, and say what in it is allowed and probably not meant."""
    built = explain_config(path, environ, flags)
    return built.config, built.cautions


def explain_config(path: Path | None, environ: Mapping[str, str], flags: Mapping[str, str]) -> Built:
    """Read the configuration as `load_config` does, and say where the settings of its routes come from."""
    reading = Reading()
    if path is not None:
        reading.read_file(path)
    reading.read_environment(environ)
    reading.read_flags(flags)
    return build(reading)
