"""The process whose forks decode: `python -m device.reading.decoding.fork_server DESCRIPTOR`, started by `sandbox.py`.

It has one thread and has read no file. Each message asks for a child, and brings the kind of file that is expected and
the child's connection to the process that asked. The decoder of that kind is loaded here once, so that all later
children have it. The server ends when the process that started it ends, and its children end with it.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from contextlib import suppress

from device.base.dumps import forbid_dumps
from device.reading.decoding import child

NICENESS = 5  # a field gets three times the processor that a file does which is decoded here


def main(descriptor: int) -> None:
    forbid_dumps()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that no dead child stays
    for ending in (signal.SIGINT, signal.SIGTERM):  # meant for the process that asked, which may be reading still
        signal.signal(ending, signal.SIG_IGN)
    with suppress(OSError):  # systemd's sandbox grants it to nobody
        os.nice(NICENESS)
    control = socket.socket(fileno=descriptor)
    server, loaded = os.getpid(), set[bytes]()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 100, 1)
        if not message:
            return
        if message not in loaded:
            with suppress(ImportError):  # the child says so
                child.prepare(message.decode())
            loaded.add(message)
            gc.collect()
            gc.freeze()  # so that a child's collector doesn't touch, and thereby copy, what it shares
        if os.fork() == 0:
            control.close()
            child.run(socket.socket(fileno=descriptors[0]), server)
        os.close(descriptors[0])


if __name__ == "__main__":
    main(int(sys.argv[1]))
