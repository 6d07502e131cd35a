"""What a process asks of Linux for itself, or knows of itself, beyond what Python's `os` has: prctl(2), proc(5)."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import struct

# Options of prctl(2)
SET_PDEATHSIG, SET_DUMPABLE, SET_NAME, SET_SECCOMP, SET_NO_NEW_PRIVS = 1, 4, 15, 22, 38

# Landlock, landlock(7): system calls of the same number on all machines, and what its first version can take away.
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF, FILES = 444, 446, 0x1FFF

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, argument: int, further: int = 0) -> None:
    """Raises `OSError`."""
    arguments = [ctypes.c_ulong(value) for value in (argument, further, 0, 0)]
    if _libc.prctl(option, *arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def end_with_parent(parent: int) -> None:
    """End this process when its parent, of that id, ends, or now where it has ended already."""
    prctl(SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def give_up_files() -> bool:
    """Open no file by a path any more, but those that lie in memory alone; what is open stays so. False where the kernel
    can't take that away."""
    taken_away = ctypes.create_string_buffer(struct.pack("<Q", FILES), 8)
    ruleset = _libc.syscall(LANDLOCK_CREATE_RULESET, taken_away, 8, 0)
    if ruleset < 0:
        return False
    given_up = bool(_libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0)
    os.close(ruleset)
    return given_up


def set_name(name: bytes) -> None:
    """The name of this thread, of up to 15 bytes; of a process' first, that which `ps` shows."""
    text = ctypes.create_string_buffer(name)
    prctl(SET_NAME, ctypes.addressof(text))


def set_dumpable(dumpable: bool) -> None:
    """Whether a dump of this process may be made, and its `/proc/self` be its own."""
    prctl(SET_DUMPABLE, int(dumpable))


def address_bytes() -> int:
    """How many bytes of addresses this process has."""
    with open("/proc/self/statm") as file:  # noqa: PTH123 — also in a child that is about to lose the right to open any
        return int(file.read().split()[0]) * mmap.PAGESIZE
