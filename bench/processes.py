"""What the kernel says about processes: how much processor time they have used. Linux only, from /proc."""

import os
import time
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


class Neighbours:
    """How much of the machine others used since this was made: they distort every figure that is measured meanwhile."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.busy, self.ours = busy_seconds(), our_seconds()

    def share(self) -> float:
        """Return the part of all cores, 0 to 1, that was used by what we did not start."""
        available = (time.monotonic() - self.began) * (os.cpu_count() or 1)
        others = (busy_seconds() - self.busy) - (our_seconds() - self.ours)
        return max(0.0, others / available) if available else 0.0


def busy_seconds() -> float:
    """Return what all cores were used for since boot, and what the host took from us. Idle and waiting are left out (proc(5))."""
    user, nice, system, _, _, irq, softirq, steal = (int(n) for n in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND


def our_seconds() -> float:
    """Return what this process, its descendants, and those that it has waited for have used."""
    done = os.times()
    return cpu_seconds([os.getpid()]) + done.children_user + done.children_system
