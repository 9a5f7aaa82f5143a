"""How many workers there are to be, and what each is given."""

import math
from pathlib import Path

import pytest

from proxy.config import Config, load_config
from proxy.supervisor import cores

CORES = 6


def configured(**flags: str) -> Config:
    return load_config(None, {"NOCLOBBER__UPSTREAM__MAX_CONNECTIONS": "10"}, {"upstream": "http://127.0.0.1:1", **flags})


@pytest.fixture(autouse=True)
def _on_a_machine_of_six_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(CORES)))
    for name in ("QUOTA", "QUOTA_V1", "PERIOD_V1"):
        monkeypatch.setattr(cores, name, tmp_path / name)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 6),
        ({"QUOTA": "max 100000"}, 6),
        ({"QUOTA": "150000 100000"}, 2),
        ({"QUOTA": "20000 100000"}, 1),
        ({"QUOTA": "1000000 100000"}, 6),
        ({"QUOTA_V1": "300000", "PERIOD_V1": "100000"}, 3),
        ({"QUOTA_V1": "-1", "PERIOD_V1": "100000"}, 6),
        ({"QUOTA": "nonsense"}, 6),
    ],
    ids=str,
)
def test_a_container_may_use_fewer_than_the_machine_has(files: dict[str, str], expected: int, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    assert cores.usable_cores() == expected
    assert cores.workers_of(configured()) == expected


def test_what_is_asked_for_counts_more() -> None:
    assert cores.workers_of(configured(workers="3")) == 3
    assert cores.workers_of(configured(store="memory://")) == 1


@pytest.mark.parametrize("workers", [1, 3, 10, 20])
def test_the_backend_sees_no_more_connections_of_several(workers: int) -> None:
    part = cores.part_of(configured(workers=str(workers))).upstream.max_connections
    assert part == math.ceil(10 / workers)
