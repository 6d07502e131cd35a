"""Machines to try the provisioning on, made from nothing and removed afterwards: `box_test.py` uses them.

A `Box` is a Debian 13 root that boots under systemd-nspawn. Its only network is a cable (veth pair) to the `Clinic`, a
second network namespace from which the playbook runs and in which the reader's browser would be. Neither has a route to
anywhere else. An emulated arm64 root runs single programs, without any network. Everything here needs root. All names
carry this process's number, so two runs don't collide.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SUITE = "trixie"
BOX_PACKAGES = ("systemd-sysv", "openssh-server", "sudo", "python3", "python3-venv", "iproute2")
ARM64_PACKAGES = ("python3", "python3-venv")
TECHNICIAN = "technician"
BOX_ADDRESS, CLINIC_ADDRESS, PREFIX = "192.168.77.1", "192.168.77.2", 24
CLONE_NEWNET = 0x40000000
BINFMT = Path("/proc/sys/fs/binfmt_misc")
SWAPS = "/run/swaps"
SWAPOFF = f"""#!/bin/sh -eu
kept=$(grep -v "^$1 " {SWAPS})
echo "$kept" > {SWAPS}
"""
# How an arm64 program begins, and which bits of that count, in the kernel's notation.
ELF_AARCH64 = (
    rb"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00",
    rb"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff",
)


class CommandFailedError(Exception):
    """A command ended with another status than it should have; the message has its last lines."""


def run(command: Sequence[str | Path], log: Path, *, environment: dict[str, str] | None = None) -> str:
    """Run a command with its output in `log`; that output. Raises `CommandFailedError`."""
    with log.open("ab") as sink:
        start = sink.tell()
        sink.write(f"$ {' '.join(map(str, command))}\n".encode())
        sink.flush()
        done = subprocess.run(command, stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment)
    with log.open("rb") as source:
        source.seek(start)
        output = source.read().decode(errors="replace").partition("\n")[2]
    if done.returncode:
        last_lines = "\n".join(output.splitlines()[-15:])
        raise CommandFailedError(f"{command[0]} ended with status {done.returncode}:\n{last_lines}\n(all of it: {log})")
    return output


# --- roots -----------------------------------------------------------------------------------------------------------


def mirror() -> str:
    """The Debian mirror: $LOUPE_MIRROR, else what this machine's apt uses, else Debian's own."""
    chosen = os.environ.get("LOUPE_MIRROR")
    if not chosen:
        command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"]
        listed = subprocess.run(command, capture_output=True, text=True).stdout.split()
        chosen = next((uri for uri in listed if "security" not in uri), "http://deb.debian.org/debian")
    return chosen


def debian_root(architecture: str, packages: Sequence[str], cache: Path, log: Path) -> tuple[Path, bool]:
    """A Debian root as a tar file in the cache, and whether it was there already."""
    recipe = hashlib.sha256(" ".join((SUITE, architecture, *packages)).encode()).hexdigest()[:8]
    tar = cache / f"{SUITE}-{architecture}-{recipe}.tar"
    if tar.exists():
        return tar, True
    unfinished = tar.with_suffix(".unfinished.tar")
    command = ["mmdebstrap", "--mode=root", "--variant=minbase", f"--architectures={architecture}"]
    # It would look for an emulator in a place of its own; ours is registered with the kernel.
    command += ["--skip=check/qemu", f"--include={','.join(packages)}", SUITE, str(unfinished), mirror()]
    run(command, log)
    unfinished.rename(tar)
    return tar, False


def unpack(tar: Path, root: Path, log: Path) -> None:
    root.mkdir()
    run(["tar", "--extract", "--numeric-owner", "--file", tar, "--directory", root], log)


# --- the clinic's network --------------------------------------------------------------------------------------------


class Clinic:
    """Two network namespaces and the cable between them. As a context manager: made, and removed."""

    def __init__(self) -> None:
        self.box_namespace, self.namespace = f"loupe-box-{os.getpid()}", f"loupe-clinic-{os.getpid()}"

    def __enter__(self) -> Clinic:
        try:
            self._lay_cable()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _lay_cable(self) -> None:
        cable = ["link", "add", "eth0", "netns", self.box_namespace, "type", "veth"]
        _ip("netns", "add", self.box_namespace)
        _ip("netns", "add", self.namespace)
        _ip(*cable, "peer", "name", "eth0", "netns", self.namespace)
        for namespace, address in ((self.box_namespace, BOX_ADDRESS), (self.namespace, CLINIC_ADDRESS)):
            _ip("-n", namespace, "addr", "add", f"{address}/{PREFIX}", "dev", "eth0")
            _ip("-n", namespace, "link", "set", "lo", "up")
            _ip("-n", namespace, "link", "set", "eth0", "up")

    def __exit__(self, *_: object) -> None:
        for namespace in (self.box_namespace, self.namespace):
            if Path("/run/netns", namespace).exists():
                _ip("netns", "del", namespace)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and what it starts, in the clinic's network. Nothing else is reachable meanwhile."""
        with Path("/proc/thread-self/ns/net").open() as outside, Path("/run/netns", self.namespace).open() as clinic:
            _set_network_namespace(clinic.fileno())
            try:
                yield
            finally:
                _set_network_namespace(outside.fileno())


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _set_network_namespace(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


# --- the box ---------------------------------------------------------------------------------------------------------


@dataclass
class Box:
    """A root that boots in the box's namespace; `technician` may log in with a key and become root."""

    root: Path
    work: Path
    clinic: Clinic
    log: Path
    _machine: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """What a technician has done before the playbook runs: an account with sudo, and a key to log in with."""
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], self.log)
        run(["chroot", self.root, "useradd", "--create-home", "--shell", "/bin/bash", TECHNICIAN], self.log)
        (self.root / "etc/sudoers.d" / TECHNICIAN).write_text(f"{TECHNICIAN} ALL=(ALL) NOPASSWD: ALL\n")
        authorized = self.root / "home" / TECHNICIAN / ".ssh/authorized_keys"
        authorized.parent.mkdir(mode=0o700)
        shutil.copy(self.key.with_suffix(".pub"), authorized)
        run(["chroot", self.root, "chown", "-R", f"{TECHNICIAN}:", f"/home/{TECHNICIAN}/.ssh"], self.log)
        # Without a machine id systemd takes this for a first boot, enables networkd, and loses our address.
        (self.root / "etc/machine-id").write_text(hashlib.md5(str(self.root).encode()).hexdigest() + "\n")  # noqa: S324
        host_key = (self.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
        self.known_hosts.write_text(f"{BOX_ADDRESS} {host_key}")

    @property
    def key(self) -> Path:
        return self.work / "technician_key"

    @property
    def known_hosts(self) -> Path:
        return self.work / "known_hosts"

    @property
    def ssh_options(self) -> list[str]:
        options = {"IdentityFile": self.key, "IdentitiesOnly": "yes", "UserKnownHostsFile": self.known_hosts}
        return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]

    def boot(self, timeout_s: float = 60) -> None:
        """Start it and wait for its SSH."""
        # CAP_BPF and bpf(): systemd on the box filters addresses with them, as it does on a board.
        command = ["systemd-nspawn", "--quiet", "--register=no", "--settings=no", "--console=pipe", "--boot"]
        command += [f"--network-namespace-path=/run/netns/{self.clinic.box_namespace}"]
        command += ["--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_BPF,CAP_PERFMON", "--system-call-filter=bpf"]
        if not Path("/run/systemd/system").exists():  # no systemd here to ask for a scope: use cgroups made by hand
            command += ["--keep-unit"]
        with self.log.open("ab") as sink:
            self._machine = subprocess.Popen(
                [*command, "--directory", self.root],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                preexec_fn=_enter_own_cgroups,
                start_new_session=True,  # Ctrl-C is for us: we shut the box down in order
            )
        deadline = time.monotonic() + timeout_s
        while not self._answers_ssh():
            if self._machine.poll() is not None or time.monotonic() > deadline:
                raise CommandFailedError(f"the box did not boot; its console: {self.log}")
            time.sleep(0.2)
        self.pretend_swap()

    def pretend_swap(self, *places: str) -> None:
        """Let the board swap to these places, as far as its programs can see: a container can't, and would show the swap of
        the machine that it runs on."""
        lines = ["Filename Type Size Used Priority", *(f"{place} file 102396 0 -2" for place in places)]
        self.sh(f"cat > {SWAPS} <<'END'\n" + "\n".join(lines) + "\nEND\n")
        self.sh(f"mountpoint --quiet /proc/swaps || mount --bind {SWAPS} /proc/swaps")
        (self.root / "usr/local/sbin/swapoff").write_text(SWAPOFF)
        (self.root / "usr/local/sbin/swapoff").chmod(0o755)

    def _answers_ssh(self) -> bool:
        with self.clinic.inside(), suppress(OSError), socket.create_connection((BOX_ADDRESS, 22), 1) as connection:
            return connection.recv(4) == b"SSH-"
        return False

    def shut_down(self) -> None:
        """As the power button does; then by force."""
        if self._machine is None:
            return
        self._machine.terminate()
        try:
            self._machine.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._machine.kill()
            self._machine.wait()
        self._machine = None
        _remove_own_cgroups()

    def sh(self, script: str) -> str:
        """Run a shell script on the box as root, over SSH; its output."""
        command = ["ssh", *self.ssh_options, f"{TECHNICIAN}@{BOX_ADDRESS}", "sudo sh -eu"]
        with self.clinic.inside():
            done = subprocess.run(command, input=script, text=True, capture_output=True)
        with self.log.open("a") as sink:
            sink.write(f"# {script}\n{done.stdout}{done.stderr}")
        if done.returncode:
            raise CommandFailedError(f"on the box, status {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout


def _own_cgroups() -> list[Path]:
    """A cgroup of this process in each hierarchy that systemd uses, so that two boxes don't share one."""
    if Path("/run/systemd/system").exists():
        return []
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    hierarchies = [m[1] for m in mounts if m[2] == "cgroup2" or (m[2] == "cgroup" and "name=systemd" in m[3])]
    return [Path(hierarchy, f"loupe-box-{os.getpid()}") for hierarchy in hierarchies]


OWN_CGROUPS = _own_cgroups()


def _enter_own_cgroups() -> None:
    for cgroup in OWN_CGROUPS:
        cgroup.mkdir(exist_ok=True)
        (cgroup / "cgroup.procs").write_text(str(os.getpid()))


def _remove_own_cgroups() -> None:
    for cgroup in OWN_CGROUPS:
        for directory, _, _ in os.walk(cgroup, topdown=False):
            with suppress(OSError):  # a process may still be on its way out; an empty cgroup left behind does no harm
                Path(directory).rmdir()


# --- the emulated arm64 board ----------------------------------------------------------------------------------------


@contextmanager
def arm64_programs(cache: Path, log: Path) -> Iterator[None]:
    """The kernel runs arm64 programs with Debian 13's QEMU, which is 3 to 6 times as fast as Debian 12's."""
    tree = cache / f"qemu-user-{SUITE}"
    if not tree.exists():
        unfinished = tree.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        options = ["--mode=root", "--variant=extract", "--include=qemu-user"]
        run(["mmdebstrap", *options, SUITE, unfinished, mirror()], log)
        unfinished.rename(tree)
    if not (BINFMT / "register").exists():
        run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT], log)
    name = f"loupe-aarch64-{os.getpid()}"
    magic, mask = ELF_AARCH64
    # F: the kernel opens the interpreter now, so that roots need no copy of it.
    interpreter = os.fsencode(tree / "usr/bin/qemu-aarch64")
    (BINFMT / "register").write_bytes(b":".join([b"", name.encode(), b"M", b"", magic, mask, interpreter, b"F"]))
    try:
        yield
    finally:
        (BINFMT / name).write_text("-1")


def run_in_root(root: Path, script: str, log: Path, *, sys: bool = True) -> str:
    """Run a shell script in a root, with no network at all and with mounts that vanish with it; its output.

    Without `sys` programs there can't ask the kernel which processors it has.
    """
    mount_sys = 'mount -t sysfs sysfs "$0/sys" && ' if sys else ""
    enter = (
        f'mount -t proc proc "$0/proc" && {mount_sys}'
        'exec env -i PATH=/usr/sbin:/usr/bin LANG=C.UTF-8 HOME=/root chroot "$0" sh -eu -c "$1"'
    )
    isolated = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child=KILL"]
    return run([*isolated, "sh", "-c", enter, root, script], log)


def stop_on_signals() -> None:
    """Let a terminated run clean up like an interrupted one."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
