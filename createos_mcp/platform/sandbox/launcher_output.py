"""What a launcher does with the output of what it runs."""

import os
import time

CHUNK_BYTES = 65536
# Longer lines are written in pieces, so that an app without line ends is seen, too.
MAX_LINE_BYTES = 16384
MAX_LOG_BYTES = 10 * 2**20
OLD_LOGS = 2
# What floods its log waits, as it would for a slow disk; nobody reads a megabyte a second.
RATE_BYTES_S = 1 * 2**20
BURST_BYTES = 4 * 2**20


class Pace:
    """How much output may be taken now: a bucket that fills at a constant rate."""

    def __init__(self) -> None:
        self.left = float(BURST_BYTES)
        self.at = time.monotonic()

    def take(self, size: int) -> None:
        """Count what was read."""
        now = time.monotonic()
        self.left = min(self.left + (now - self.at) * RATE_BYTES_S, BURST_BYTES) - size
        self.at = now

    def wait_s(self) -> float:
        """Until more may be read; 0 for at once."""
        return max(-self.left / RATE_BYTES_S - (time.monotonic() - self.at), 0)


class Log:
    """The app's output, each line behind the time at which it came; rotated by size."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.rest = b""
        self.open()

    def open(self) -> None:
        """Open the file anew; a link in its place is not followed."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self.file = os.fdopen(os.open(self.path, flags, 0o600), "ab", buffering=0)

    def write(self, chunk: bytes) -> None:
        """Write the full lines of a chunk, and keep what follows them for the next."""
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        while len(self.rest) > MAX_LINE_BYTES:
            lines.append(self.rest[:MAX_LINE_BYTES])
            self.rest = self.rest[MAX_LINE_BYTES:]
        if lines:
            now = time.time()
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            prefix = f"{stamp}.{int(now % 1 * 1000):03d}Z ".encode()
            self.file.write(b"".join(prefix + line + b"\n" for line in lines))
            if self.file.tell() > MAX_LOG_BYTES:
                self.rotate()

    def rotate(self) -> None:
        """Begin a new file, and keep the last ones under numbers."""
        self.file.close()
        for number in range(OLD_LOGS, 0, -1):
            newer = f"{self.path}.{number - 1}" if number > 1 else self.path
            if os.path.exists(newer):
                os.replace(newer, f"{self.path}.{number}")
        self.open()

    def close(self) -> None:
        """Write what came without a line end."""
        if self.rest:
            self.write(b"\n")
        self.file.close()


class PassedOn:
    """Output that goes on as it is: that of a build step, whose reader waits for it."""

    def write(self, chunk: bytes) -> None:
        """Write all of a chunk to standard output."""
        while chunk:
            chunk = chunk[os.write(1, chunk) :]

    def close(self) -> None:
        """Nothing is left to write."""
