"""A backend that sends and takes bodies as fast as a socket can, in a process of its own: for comparisons, it must not be what is measured.

GET /SIZE: so many bytes. PUT: checked, and answered with the size if every byte was right, else with 0. One thread a connection.
"""

import argparse
import random
import socket
import threading

BLOCK_BYTES = 1_048_573
"""A prime: what is shifted is not right."""
PIECE_BYTES = 262_144


class Noise:
    """The one body of all sizes: a block of noise, over and over."""

    def __init__(self) -> None:
        """Make the noise; it is the same in every process."""
        self._tiles = memoryview(random.Random(7).randbytes(BLOCK_BYTES) * 2)

    def piece(self, offset: int, length: int) -> memoryview:
        """Return the length bytes from offset on; BLOCK_BYTES at most."""
        start = offset % BLOCK_BYTES
        return self._tiles[start : start + length]

    def send(self, sock: socket.socket, size_bytes: int) -> None:
        """Send a body of this size."""
        for offset in range(0, size_bytes, PIECE_BYTES):
            sock.sendall(self.piece(offset, min(PIECE_BYTES, size_bytes - offset)))

    def take(self, sock: socket.socket, size_bytes: int, first: bytes) -> bool:
        """Read a body of this size, of which first was read already; say whether it is right."""
        is_right = first == self.piece(0, len(first))
        taken = len(first)
        buffer = memoryview(bytearray(PIECE_BYTES))
        while taken < size_bytes:
            size = sock.recv_into(buffer[: min(PIECE_BYTES, size_bytes - taken)])
            if not size:
                return False
            is_right = is_right and buffer[:size] == self.piece(taken, size)
            taken += size
        return is_right


def read_head(sock: socket.socket) -> tuple[str, dict[str, str], bytes]:
    """Read a head: its first line, the fields by lower-case name, and what came of the body. EOFError at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise EOFError
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return first, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}, rest


def _serve(sock: socket.socket, noise: Noise) -> None:
    try:
        with sock:
            while True:
                first, fields, rest = read_head(sock)
                method, path, _ = first.split(" ")
                if method == "PUT":
                    size = int(fields["content-length"])
                    told = b"%d" % (size if noise.take(sock, size, rest) else 0)
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))
                else:
                    size = int(path.strip("/"))
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % size)
                    noise.send(sock, size)
    except (OSError, EOFError):
        return


def main() -> None:
    """Serve until the process is stopped."""
    argparse.ArgumentParser(description="A backend of large bodies on a free port, which it prints.").parse_args()
    noise = Noise()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"listening on {listener.getsockname()[1]}", flush=True)
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=_serve, args=(sock, noise), daemon=True).start()


if __name__ == "__main__":
    main()
