"""What the kernel says about processes: how much processor time they have used. Linux only, from /proc."""

import os
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


def tree(pid: int) -> list[int]:
    """Return the process and all its descendants."""
    found = [pid]
    for task in (PROC / str(pid) / "task").iterdir():
        for child in (task / "children").read_text().split():
            found += tree(int(child))
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Return user plus system time of the processes, all their threads and all their descendants, in steps of one tick (10 ms)."""
    ticks = 0
    for root in pids:
        for pid in tree(root):
            # The name of the command may hold spaces: fields are counted behind its bracket. utime is 14, stime 15 (proc(5)).
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND
