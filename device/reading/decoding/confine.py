"""What a process gives up before it decodes a stranger's file. A decoder that the file takes over can then compute, and
hand pixels to the process that asked for them. It can open no file, make no connection, start no program and no
process, and make no memory executable. Where a library opens files by name, it may open those that lie in memory;
Landlock ensures that. On a kernel without Landlock it could read other files.

The filter is a program for the kernel's packet filter that checks each system call: see seccomp(2) and linux/filter.h.
It is assembled here, because a library for it would be one more thing to trust and to ship.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
from errno import ENOSYS, EPERM

from device.base.errors import DecodingUnavailable
from device.base.process import SET_NO_NEW_PRIVS, SET_SECCOMP, give_up_files, prctl

# seccomp(2): the mode for prctl(2), what a filter may answer, and where it finds what in its `seccomp_data`.
FILTER_MODE = 2
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16

# linux/bpf_common.h: load a word, jump where equal, not less or any bit is set, return.
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

PROT_EXEC, CLONE_THREAD, DUPFD_CLOEXEC = 0x4, 0x10000, 1030
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
X32 = 0x40000000  # x86-64's second set of numbers

# linux/audit.h, and each system call's number there; -1 where the machine has none of the name.
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
CALLS = {
    # memory
    **{"brk": (12, 214), "mremap": (25, 216), "munmap": (11, 215), "madvise": (28, 233)},
    # what is open: the connection to the process that asked, and nothing else
    **{"read": (0, 63), "readv": (19, 65), "pread64": (17, 67), "write": (1, 64), "writev": (20, 66), "lseek": (8, 62)},
    **{"close": (3, 57), "fstat": (5, 80), "newfstatat": (262, 79), "recvfrom": (45, 207), "recvmsg": (47, 212)},
    **{"sendto": (44, 206), "sendmsg": (46, 211), "poll": (7, -1), "ppoll": (271, 73)},
    # threads, time, signals
    **{"futex": (202, 98), "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "set_robust_list": (273, 99)},
    **{"rseq": (334, 293), "gettid": (186, 178), "getpid": (39, 172), "restart_syscall": (219, 128)},
    **{"clock_gettime": (228, 113), "clock_getres": (229, 114), "gettimeofday": (96, 169), "sysinfo": (99, 179)},
    **{"clock_nanosleep": (230, 115), "nanosleep": (35, 101), "getrandom": (318, 278)},
    **{"rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132)},
    **{"exit": (60, 93), "exit_group": (231, 94)},
}
MMAP, MPROTECT, CLONE, CLONE3, OPENAT, FCNTL = (9, 222), (10, 226), (56, 220), (435, 435), (257, 56), (72, 25)
# For libraries that open files by name, which lies in memory, to read them: OpenSlide and SQLite.
FILE_CALLS = {
    **{"readlinkat": (267, 78), "readlink": (89, -1), "faccessat": (269, 48), "access": (21, -1), "fcntl": FCNTL},
    **{"stat": (4, -1), "lstat": (6, -1), "statx": (332, 291), "getcwd": (79, 17), "dup": (32, 23)},
    **{"getuid": (102, 174), "geteuid": (107, 175), "memfd_create": (319, 279)},
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def limit(cpu_s: int, address_space: int, most_address_space: int, file_bytes: int) -> None:
    """Bound this process's time and memory, and the bytes that it may write to a file in memory. Another process may
    raise `address_space` (bytes) to `most_address_space`."""
    for name, soft, hard in (
        (resource.RLIMIT_CPU, cpu_s, cpu_s),
        (resource.RLIMIT_AS, address_space, most_address_space),
        (resource.RLIMIT_FSIZE, file_bytes, file_bytes),
        (resource.RLIMIT_NOFILE, 16, 16),
    ):
        resource.prlimit(0, name, (soft, hard))


def close(*, opens_files: bool) -> None:
    """Close the filter for good. Raises `DecodingUnavailable` where this machine has no filter, and `OSError` where the
    kernel supports none."""
    prctl(SET_NO_NEW_PRIVS, 1)
    if opens_files:
        give_up_files()
    program = assembled(platform.machine(), opens_files=opens_files)
    instructions = ctypes.create_string_buffer(program, len(program))
    packed = _Program(len(program) // 8, ctypes.cast(instructions, ctypes.c_char_p))
    prctl(SET_SECCOMP, FILTER_MODE, ctypes.addressof(packed))


def assembled(machine: str, *, opens_files: bool) -> bytes:
    """The filter for a machine, `platform.machine()`. Raises `DecodingUnavailable` for one whose system calls aren't
    listed."""
    if machine not in MACHINES:
        raise DecodingUnavailable(detail=f"no filter for {machine}")
    architecture, column = MACHINES[machine]
    program = [
        _step(LOAD, ARCHITECTURE_AT),
        _step(EQUAL, architecture, 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER_AT),
        _step(AT_LEAST, X32, 0, 1),
        _step(RETURN, KILL),
        _step(EQUAL, CLONE3[column], 0, 1),
        _step(RETURN, REFUSE | ENOSYS),  # its flags can't be seen from here; the C library then calls clone
        *_unless(MMAP[column], 2, PROT_EXEC),
        *_unless(MPROTECT[column], 2, PROT_EXEC),
        *_only_with(CLONE[column], 0, CLONE_THREAD),
    ]
    if not opens_files:
        program += _only(FCNTL[column], 1, DUPFD_CLOEXEC)
    calls = dict(CALLS)
    if opens_files:
        program += _unless(OPENAT[column], 2, WRITING)
        calls |= FILE_CALLS
    for numbers in calls.values():
        if numbers[column] >= 0:
            program += [_step(EQUAL, numbers[column], 0, 1), _step(RETURN, ALLOW)]
    return b"".join([*program, _step(RETURN, REFUSE | EPERM)])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _unless(call: int, argument: int, bits: int) -> list[bytes]:
    """Allow a call unless this argument has one of the bits."""
    return _by_argument(call, argument, _step(ANY_BIT, bits, 1, 0))


def _only_with(call: int, argument: int, bits: int) -> list[bytes]:
    """Allow a call only where this argument has one of the bits."""
    return _by_argument(call, argument, _step(ANY_BIT, bits, 0, 1))


def _only(call: int, argument: int, value: int) -> list[bytes]:
    """Allow a call only where this argument equals the value."""
    return _by_argument(call, argument, _step(EQUAL, value, 0, 1))


def _by_argument(call: int, argument: int, test: bytes) -> list[bytes]:
    """Test this argument of a call: allow it where the test jumps by 0, refuse it where by 1."""
    return [
        _step(EQUAL, call, 0, 4),
        _step(LOAD, ARGUMENTS_AT + 8 * argument),
        test,
        _step(RETURN, ALLOW),
        _step(RETURN, REFUSE | EPERM),
    ]
