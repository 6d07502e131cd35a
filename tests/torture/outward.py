"""What the box connects to: nothing. It runs under strace, reads files of all kinds, and serves beside an attack."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

from tests.support.shipped import MODELS
from tests.torture.attack import Beside
from tests.torture.beside import OTHER
from tests.torture.box import Box, Memory
from tests.torture.damage import KINDS
from tests.torture.good import GoodClient
from tests.torture.table import Findings
from tests.torture.wire import READINGS

CALLS = "socket,connect,bind,sendto,sendmsg,sendmmsg"
SECONDS = 8.0
# Where something is to be sent, and over what: an accepted connection names no address.
OUTWARD = re.compile(r"(connect|sendto|sendmsg|sendmmsg)\(.*sa_family=AF_(INET6?|PACKET|NETLINK|VSOCK|BLUETOOTH)")
OTHER_SOCKET = re.compile(r"socket\(AF_(PACKET|VSOCK|BLUETOOTH)|socket\(AF_INET6?, SOCK_(DGRAM|RAW)")


def run(folder: Path, memory: Memory, seed: int) -> Findings:
    """A box of its own, under strace."""
    if not shutil.which("strace"):
        return Findings(["skipped: strace isn't installed"], [])
    folder.mkdir(parents=True)
    calls = folder / "calls"
    box = Box(folder, memory)
    box.prefix = ("strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(calls))
    try:
        box.start()
        for draw in KINDS.values():
            for data in draw():
                box.ask(READINGS, "POST", data)
        attack = Beside("malformed", box.port, OTHER, SECONDS, seed)
        try:
            attack.go()
            GoodClient(box.port, MODELS / "samples").serve(SECONDS)
            attack.end()
        finally:
            attack.kill()
    finally:
        box.stop()
    lines = calls.read_text(errors="replace").splitlines()
    wrong = [line[:160] for line in lines if OUTWARD.search(line) or OTHER_SOCKET.search(line)]
    made = Counter(match[1] for line in lines if (match := re.search(r"(\w+)\(", line)))
    told = ", ".join(f"{name} {count}" for name, count in made.most_common())
    seen = f"{SECONDS:.0f} s beside malformed requests, a file of each variety: {told or 'no such call'}"
    return Findings([f"{seen}; {len(wrong)} go outward"], wrong[:10])
