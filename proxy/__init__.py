"""noclobber: a reverse proxy that makes lost updates impossible in front of last-write-wins HTTP backends."""

__version__ = "0.1.0"
