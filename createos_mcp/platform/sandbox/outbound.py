"""The way out of a network of its own, for a launcher."""

import os
import selectors

READY_TIMEOUT_S = 5.0
CONSTANT_ENVIRON = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
"""All that bubblewrap and the steps up to the app see."""


class Outbound:
    """slirp4netns, which stays in the machine's network and serves the one that is left for.

    It is forked before this process leaves the network, and started afterwards.
    """

    def __init__(self, program: str, run_dir: str) -> None:
        gate_read, self.gate = os.pipe()
        alive_read, self.alive = os.pipe()
        self.ready, ready_write = os.pipe()
        launcher = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self.become(program, launcher, run_dir, (gate_read, alive_read, ready_write))
        for descriptor in (gate_read, alive_read, ready_write):
            os.close(descriptor)

    def become(
        self, program: str, launcher: int, run_dir: str, pipes: tuple[int, int, int]
    ) -> None:
        """In the child: wait for the network, then serve it until the launcher ends."""
        gate_read, alive_read, ready_write = pipes
        try:
            os.setsid()
            os.close(self.gate)
            os.close(self.alive)
            if os.read(gate_read, 1) != b"g":
                os._exit(0)
            os.set_inheritable(alive_read, True)
            os.set_inheritable(ready_write, True)
            log = os.open(f"{run_dir}/slirp.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            null = os.open(os.devnull, os.O_RDONLY)
            for descriptor, place in ((null, 0), (log, 1), (log, 2)):
                os.dup2(descriptor, place)
            words = [
                program,
                "--configure",
                "--mtu=65520",
                "--disable-host-loopback",
                "--enable-seccomp",
                f"--exit-fd={alive_read}",
                f"--ready-fd={ready_write}",
                str(launcher),
                "tap0",
            ]
            os.execve(program, words, CONSTANT_ENVIRON)
        finally:
            os._exit(1)

    def open(self) -> bool:
        """Start it, and whether the way out is there: only its own word proves that."""
        os.write(self.gate, b"g")
        os.close(self.gate)
        with selectors.DefaultSelector() as selector:
            selector.register(self.ready, selectors.EVENT_READ)
            told = selector.select(READY_TIMEOUT_S) and os.read(self.ready, 1) == b"1"
        os.close(self.ready)
        return bool(told)
