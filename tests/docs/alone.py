"""Run a command where the ports that the documents name are free: `python alone.py COMMAND...`.

It gets a network of its own, with nothing in it but the loopback. Where the kernel allows none (a container without the right to unshare)
it gets the machine's, one command at a time, and the ports must be free.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

PORTS = (6379, 8080, 8081, 9000, 9003, 9004)
WAIT_SECONDS = 10.0
# From <linux/sched.h>, <linux/sockios.h> and <linux/if.h>.
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1


def isolate() -> bool:
    """Move this process to a network of its own. False where that is not allowed; then nothing has changed."""
    user, group = os.geteuid(), os.getegid()
    library = ctypes.CDLL(None, use_errno=True)
    try:
        if library.unshare(CLONE_NEWNET) != 0:
            if library.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
                return False
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        with socket.socket() as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    except (AttributeError, OSError):
        return False
    return True


def claim() -> None:
    """Wait for our turn on the machine's ports, and hold it until the last process that we start has ended."""
    turn = os.open(Path(tempfile.gettempdir()) / f"noclobber-documents-{os.getuid()}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(turn, fcntl.LOCK_EX)
    os.set_inheritable(turn, True)
    deadline = time.monotonic() + WAIT_SECONDS
    while taken := [port for port in PORTS if is_taken(port)]:
        if time.monotonic() > deadline:
            sys.exit(f"something listens on {taken}, and this kernel allows no network of our own: stop it, and run this again")
        time.sleep(0.1)


def is_taken(port: int) -> bool:
    """Whether somebody listens on a port of the loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


if __name__ == "__main__":
    if not isolate():
        claim()
    os.execvp(sys.argv[1], sys.argv[1:])
