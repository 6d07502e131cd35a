"""Try what Loupe's service must not be able to do, and what it needs; print what came of it ("allowed" or why not).

`box_test.py` runs it on the box twice: in the very sandbox of `loupe.service`, and as root without it. The second run
shows that each attempt would work if the sandbox did not stop it. Standard library only; it cleans up what it made.

    sandbox_probe.py ADDRESS PORT      # of a listener elsewhere on the clinic's network
"""

import ctypes
import json
import mmap
import os
import resource
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

# The fast integer kernels read these on arm64; without them they stay away, and outputs differ.
CPU_FILES = ("/proc/cpuinfo", "/sys/devices/system/cpu/present")
IN_MEMORY = ("cgroup2", "devpts", "fusectl", "hugetlbfs", "mqueue", "proc", "ramfs", "sysfs", "tmpfs")
DIRECTORIES = ("/", "/etc/loupe", "/opt/loupe", "/opt/loupe/models", "/usr/bin", "/var/lib", "/root", "/home", "/run")
CLONE_NEWUSER = 0x10000000
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38


def write_into(directory: str) -> None:
    path = Path(directory, "loupe-probe")
    path.write_text("probe")
    path.unlink()


def open_socket(family: int, kind: int) -> None:
    socket.socket(family, kind).close()


def connect(address: str, port: int) -> None:
    socket.create_connection((address, port), timeout=3).close()


def start_program() -> None:
    subprocess.run(["/usr/bin/true"], check=True)


def write_code_into_memory() -> None:
    mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def see_other_processes() -> None:
    if Path("/proc/1/status").read_text():
        return


def become_root() -> None:
    os.setuid(0)


def make_user_namespace() -> None:
    if os.fork() == 0:  # in a child: the namespace ends with it
        os._exit(0 if ctypes.CDLL(None).unshare(CLONE_NEWUSER) == 0 else 1)
    if os.wait()[1]:
        raise PermissionError("unshare")


def start_python() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


def take_limits() -> None:
    """As a process does that decodes a picture: less memory, no new rights, fewer system calls."""
    if os.fork() == 0:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        libc = ctypes.CDLL(None)
        allow_all = (ctypes.c_uint16 * 4)(0x06, 0, 0, 0x7FFF)  # BPF: return SECCOMP_RET_ALLOW
        program = struct.pack("HxxxxxxP", 1, ctypes.addressof(allow_all))
        refused = libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, 2, program, 0, 0)
        os._exit(1 if refused else 0)
    if os.wait()[1]:
        raise PermissionError("a limit was refused")


def share_memory() -> None:
    descriptor = os.memfd_create("probe")
    os.truncate(descriptor, mmap.PAGESIZE)
    with mmap.mmap(descriptor, mmap.PAGESIZE) as memory:
        memory[:5] = b"probe"
    os.close(descriptor)


def read_logs() -> None:
    list(Path("/var/log").iterdir())


def outcomes(attempts: dict[str, Callable[[], object]]) -> dict[str, str]:
    found = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            found[name] = "allowed"
        except (OSError, subprocess.SubprocessError) as error:
            found[name] = str(error)
    return found


def main() -> None:
    address, port = sys.argv[1], int(sys.argv[2])
    attempts: dict[str, Callable[[], object]] = {
        "connect to another machine": lambda: connect(address, port),
        "open an IPv4 socket": lambda: open_socket(socket.AF_INET, socket.SOCK_STREAM),
        "open an IPv6 socket": lambda: open_socket(socket.AF_INET6, socket.SOCK_DGRAM),
        "open a netlink socket": lambda: open_socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "start a program": start_program,
        "write code into memory": write_code_into_memory,
        "see other processes": see_other_processes,
        "become root": become_root,
        "make a user namespace": make_user_namespace,
        "read the logs": read_logs,
    }
    attempts |= {f"write into {directory}": partial(write_into, directory) for directory in DIRECTORIES}
    # What the service needs for pictures that are decoded in a process of their own.
    needs: dict[str, Callable[[], object]] = {
        "start Python": start_python,
        "take limits": take_limits,
        "share memory": share_memory,
    }
    mounts = [line.split()[1:4] for line in Path("/proc/self/mounts").read_text().splitlines()]
    last = {where: (kind, options.split(",")) for where, kind, options in mounts}  # of mounts on top of each other
    # /run/host belongs to the container that the box is tried in.
    writable = [
        where
        for where, (kind, options) in last.items()
        if kind not in IN_MEMORY and "ro" not in options and not where.startswith("/run/host/")
    ]
    facts = {
        "core limit": resource.getrlimit(resource.RLIMIT_CORE)[1],
        "uid": os.getuid(),
        "writable disks": writable,
        "cpu": {name: os.access(name, os.R_OK) for name in CPU_FILES},
        "/tmp": last.get("/tmp", [None])[0],  # noqa: S108
        "/var/tmp": last.get("/var/tmp", [None])[0],  # noqa: S108
    }
    print(json.dumps({"outcomes": outcomes(attempts), "needs": outcomes(needs), "facts": facts}))


if __name__ == "__main__":
    main()
