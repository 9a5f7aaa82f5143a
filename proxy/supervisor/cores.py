"""Cores: how many workers there are to be, and what each has of what they share."""

import math
import os
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from ..config import MEMORY, Config

QUOTA = Path("/sys/fs/cgroup/cpu.max")
QUOTA_V1, PERIOD_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def workers_of(config: Config) -> int:
    """How many workers a configuration asks for."""
    if config.server.workers:
        return config.server.workers
    return 1 if config.store.url == MEMORY else usable_cores()


def part_of(config: Config) -> Config:
    """What each worker is given of a configuration: its part of the connections that the backend is to see of all."""
    part = math.ceil(config.upstream.max_connections / workers_of(config))
    return replace(config, upstream=replace(config.upstream, max_connections=part))


def usable_cores() -> int:
    """How many cores this process may use: those that it may run on, or fewer where its group may not use them all the time."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _quota())))


def _quota() -> float:
    """How many cores' time the control group of a container is given; infinite where nothing limits it."""
    with suppress(OSError, ValueError):
        quota, period = QUOTA.read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError):
        limit = int(QUOTA_V1.read_text())
        return limit / int(PERIOD_V1.read_text()) if limit > 0 else math.inf
    return math.inf
