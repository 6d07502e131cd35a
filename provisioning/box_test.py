"""Prove the first box: `make box-test` (which runs `box_test.sh`, where the options are).

1. A fresh Debian 13 boots on a network of its own, without an uplink. The playbook makes it a box; a second run
   changes nothing. Each golden picture, posted over that network, is read exactly as the bundle records. The service's
   sandbox holds. A damaged bundle is refused and the box goes on reading. After a power cycle it is there again.
2. The same wheelhouse installs in an emulated arm64 Debian 13, and the golden outputs are equal there bit for bit.

Prints each step with its time; ends with status 1 and the place of the logs when one fails. No real board takes part.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import lab
import wheelhouse
from PIL import Image as Pillow

ROOT = Path(__file__).resolve().parent.parent
PROVISIONING = ROOT / "provisioning"
BUNDLE = ROOT / "models" / "bach.loupe"
WHEELHOUSE = ROOT / "build" / "wheelhouse"
CACHE = Path(os.environ.get("LOUPE_BOX_CACHE") or Path.home() / ".cache" / "loupe" / "box-test")
PORT, OTHER_PORT = 80, 8080
CODE, CODE_FILE = "correct-horse-9", "/etc/loupe/technician-code"
RESET = json.dumps({"model": "bach", "confirm": True}).encode()
EXPOSURE_LIMIT = 5  # tenths, of `systemd-analyze security`: 0 is nothing, 100 is everything
DEBIAN_PACKAGES = "dpkg-query --show --showformat='${Package} ${Version}\\n'"
PUBLIC_ADDRESSES = ("203.0.113.1", "203.0.113.2")  # RFC 5737: documentation, nobody's


class ClaimFailedError(Exception):
    """A claim of this test is false."""


def claim(holds: bool, what: str) -> None:
    if not holds:
        raise ClaimFailedError(what)


# --- steps -----------------------------------------------------------------------------------------------------------


@dataclass
class Steps:
    """Runs steps, prints them with their times, and keeps them for the table at the end."""

    logs: Path
    rows: list[tuple[str, float, str]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """One step; what it yields is called with a note for the table."""
        notes: list[str] = []
        print(f"      … {title}", end="\r" if sys.stdout.isatty() else "\n", flush=True)
        start, outcome = time.monotonic(), "FAILED"
        try:
            yield notes.append
            outcome = "; ".join(notes) or "ok"
        finally:
            seconds = time.monotonic() - start
            self.rows.append((title, seconds, outcome))
            print(f"{seconds:6.1f} s {title}: {outcome}", flush=True)

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def table(self) -> str:
        width = max(len(title) for title, _, _ in self.rows)
        lines = [f"{title:<{width}} {seconds:7.1f} s  {outcome}" for title, seconds, outcome in self.rows]
        return "\n".join([*lines, f"{'together':<{width}} {sum(seconds for _, seconds, _ in self.rows):7.1f} s"])


# --- the bundle's golden pictures ------------------------------------------------------------------------------------


def golden_um_per_px() -> float:
    """The size of a golden picture's pixels, µm: it has as many as the model reads, at the model's own scale."""
    with zipfile.ZipFile(BUNDLE) as archive:
        return float(json.loads(archive.read("manifest.json"))["preprocessing"]["um_per_px"])


def golden_pictures() -> list[tuple[str, bytes, dict[str, Any]]]:
    """(name, picture, expected result) of each golden picture, read from the bundle without Loupe's own code."""
    with zipfile.ZipFile(BUNDLE) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        return [(golden["name"], archive.read(golden["picture"]), golden["expected"]) for golden in manifest["golden"]]


def counted(picture: bytes) -> int:
    """1, or 0 for one of the box's own samples: those aren't the clinic's pictures, so they aren't counted."""
    return int(picture not in {path.read_bytes() for path in (ROOT / "models" / "samples").iterdir()})


def check_reading(name: str, reading: dict[str, Any], expected: dict[str, Any]) -> None:
    """The reading is the recorded one: the gate's reason, and every logit to the last bit."""
    reason = reading["verdict"]["reason"]
    reason_read = reason and reason["code"]
    claim(reason_read == expected["reason"], f"{name}: the gate reason_read {reason_read}, not {expected['reason']}")
    if reason is None:
        logits = [row["logit"] for row in reading["prediction"]["probabilities"]]
        claim(logits == expected["logits"], f"{name}: logits {logits}, not {expected['logits']}")


def differences(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """Where two readings differ. Numbers made from floating-point sums may differ by rounding; all else must not."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differences(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{where}/{index}")
    elif isinstance(one, float) and isinstance(other, float):
        if not math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12):
            yield f"{where}: {one} and {other}"
    elif one != other:
        yield f"{where}: {one} and {other}"


def comparable(reading: dict[str, Any]) -> dict[str, Any]:
    """A reading without times, file name and what the survey adds to its units."""
    compared = {key: value for key, value in reading.items() if key not in ("timings_ms", "file")}
    units = [{key: unit[key] for key in ("unit", "contribution", "values")} for unit in reading["units"] or ()]
    return compared | {"routing": [{**answer, "ms": None} for answer in reading["routing"]], "units": units}


# --- the box on its network ------------------------------------------------------------------------------------------


def http(clinic: lab.Clinic, path: str, data: bytes | None = None, content_type: str = "", port: int = PORT) -> bytes:
    """The body of the box's answer to a request from the clinic's network."""
    request = urllib.request.Request(f"http://{lab.BOX_ADDRESS}:{port}{path}", data)
    if data is not None:
        request.add_header("Content-Type", content_type)
    with clinic.inside(), urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        return bytes(response.read())


def post_picture(clinic: lab.Clinic, picture: bytes, port: int = PORT) -> dict[str, Any]:
    """Send a golden picture as a browser's form does, with the size of its pixels."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n'
    body = head.encode() + picture + f"\r\n--{boundary}--\r\n".encode()
    path = f"/api/v1/readings?lang=en&um_per_px={golden_um_per_px()}"
    answer = http(clinic, path, body, f"multipart/form-data; boundary={boundary}", port)
    return dict(json.loads(answer))


def check_other_format(clinic: lab.Clinic, readings: dict[str, dict[str, Any]]) -> None:
    """An accepted golden picture as TIFF is read as the picture itself was."""
    name, picture, _ = next(golden for golden in golden_pictures() if golden[2]["reason"] is None)
    file = BytesIO()
    Pillow.open(BytesIO(picture)).convert("RGB").save(file, "TIFF", compression="tiff_lzw")
    logits = [
        [row["logit"] for row in reading["prediction"]["probabilities"]]
        for reading in (readings[name], post_picture(clinic, file.getvalue()))
    ]
    claim(logits[0] == logits[1], f"{name} as TIFF: logits {logits[1]}, not {logits[0]}")


def try_reset(clinic: lab.Clinic, code: str | None, port: int = PORT) -> str:
    """Ask for a reset of the watch, with a code or none: `done`, or the error's code."""
    request = urllib.request.Request(f"http://{lab.BOX_ADDRESS}:{port}/api/v1/health/reset", RESET)
    request.add_header("Content-Type", "application/json")
    if code:
        request.add_header("X-Loupe-Code", code)
    try:
        with clinic.inside(), urllib.request.urlopen(request, timeout=60):  # noqa: S310
            return "done"
    except urllib.error.HTTPError as error:
        return str(json.load(error)["code"])


def check_technician(box: lab.Box, log: Path) -> None:
    """Requests that destroy something need the technician's code, which only the service can read."""
    found = box.sh(f"stat -c '%a %U:%G' {CODE_FILE}").strip()
    claim(found == "640 root:loupe", f"the file of the code has {found}")
    claim(CODE not in log.read_text(), f"the playbook shows the code: {log}")
    answers = [try_reset(box.clinic, code) for code in (None, "wrong-code", CODE)]
    claim(answers == ["technician_code_needed", "technician_code_wrong", "done"], f"three tries of a reset: {answers}")


def play(box: lab.Box, log: Path, **variables: str | int | list[str]) -> dict[str, int]:
    """Run the playbook from the clinic's network; the counts of its recap. Raises `CommandFailedError`."""
    inventory = box.work / "inventory.json"
    host = {"ansible_host": lab.BOX_ADDRESS, "ansible_user": lab.TECHNICIAN, **variables}
    host["ansible_ssh_common_args"] = " ".join(box.ssh_options)
    inventory.write_text(json.dumps({"boxes": {"hosts": {"box": host}}}))
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(PROVISIONING / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(box.work / "ansible"),
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=5s",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(box.work / "ssh"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    ansible = Path(sys.executable).with_name("ansible-playbook")
    command = [ansible if ansible.exists() else "ansible-playbook", "--inventory", inventory, PROVISIONING / "site.yml"]
    with box.clinic.inside():
        output = lab.run(command, log, environment=environment)
    recap = output.rpartition("PLAY RECAP")[2]
    return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", recap)}


def check_no_uplink(box: lab.Box) -> None:
    """Neither end of the cable can reach anything else."""
    links = sorted(link["ifname"] for link in json.loads(box.sh("ip -json link")))
    claim(links == ["eth0", "lo"], f"the box has the network links {links}")
    routes = [route["dst"] for route in json.loads(box.sh("ip -json route"))]
    claim(routes == ["192.168.77.0/24"], f"the box has the routes {routes}")
    with box.clinic.inside():
        try:
            socket.create_connection((PUBLIC_ADDRESSES[0], 443), timeout=3).close()
        except OSError as error:
            claim(error.errno == 101, f"a way out of the clinic failed with {error}, not as an unreachable network")
        else:
            claim(False, "the clinic's network leads somewhere")


def check_counts(clinic: lab.Clinic, readings: int, port: int = PORT) -> None:
    """The health page's counts: so many readings, in a store that works."""
    health = json.loads(http(clinic, "/api/v1/health", port=port))
    claim(health["store"]["works"], f"the store does not work: {health['store']['problem']}")
    counted = sum(model["lately"]["readings"] for model in health["models"])
    claim(counted == readings, f"{counted} readings are counted, not {readings}")


def check_only_private_clients(box: lab.Box) -> str:
    """A client with a public address gets no answer, though a cable and addresses are there. SSH does answer."""
    if "does not support" in box.sh("journalctl --no-pager --grep 'BPF|firewall' || true"):
        return "not checked: this kernel lets no container filter addresses"
    box_address, client_address = PUBLIC_ADDRESSES
    ends = ((box.clinic.box_namespace, box_address), (box.clinic.namespace, client_address))
    for namespace, address in ends:
        subprocess.run(["ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0"], check=True)
    try:
        with box.clinic.inside():
            socket.create_connection((box_address, 22), timeout=3).close()
            try:
                socket.create_connection((box_address, PORT), timeout=3).close()
            except TimeoutError:
                return "public addresses get no answer"
            raise ClaimFailedError("a client with a public address was answered")
    finally:
        for namespace, address in ends:
            subprocess.run(["ip", "-n", namespace, "addr", "del", f"{address}/24", "dev", "eth0"], check=True)


def check_sandbox(box: lab.Box) -> str:
    """The probe in the service's own sandbox may do nothing; the same probe as plain root may do everything."""
    (box.root / "opt/loupe/probe.py").write_bytes((PROVISIONING / "sandbox_probe.py").read_bytes())
    arguments = f"/opt/loupe/probe.py {lab.CLINIC_ADDRESS} 9999"
    # A copy of the unit as installed; only what it starts and when it counts as started differ.
    drop_in = f"""[Service]
Type=oneshot
Restart=no
ExecStart=
ExecStart=/opt/loupe/venv/bin/python3 {arguments}
StandardOutput=truncate:/run/loupe-probe.json
"""
    with box.clinic.inside():
        listener = socket.create_server((lab.CLINIC_ADDRESS, 9999))
    try:
        sandboxed, free = box.sh(
            f"""units=/run/systemd/system
mkdir -p $units/loupe-probe.service.d
cp /etc/systemd/system/loupe.service $units/loupe-probe.service
cat > $units/loupe-probe.service.d/probe.conf <<'END'
{drop_in}END
systemctl daemon-reload
systemctl start loupe-probe.service
cat /run/loupe-probe.json
rm -r $units/loupe-probe.service*
systemctl daemon-reload
/usr/bin/python3 {arguments}
rm /opt/loupe/probe.py
"""
        ).splitlines()
    finally:
        listener.close()
    inside, outside = json.loads(sandboxed), json.loads(free)
    powerless = [name for name, outcome in outside["outcomes"].items() if outcome != "allowed"]
    claim(not powerless, f"these attempts fail without a sandbox too, so they prove nothing: {powerless}")
    leaks = [name for name, outcome in inside["outcomes"].items() if outcome == "allowed"]
    claim(not leaks, f"the sandbox lets the service: {', '.join(leaks)}")
    missing = {name: outcome for name, outcome in inside["needs"].items() if outcome != "allowed"}
    claim(not missing, f"the sandbox keeps the service from what it needs: {missing}")
    facts = inside["facts"]
    claim(facts["core limit"] == 0, f"cores of {facts['core limit']} bytes may be written")
    claim(facts["/tmp"] == facts["/var/tmp"] == "tmpfs", f"temporary files would reach the card: {facts}")  # noqa: S108
    disks = facts["writable disks"]
    claim(
        set(disks) <= {"/var/lib/loupe", "/var/lib/private/loupe"},
        f"more than the store's folder can be written: {disks}",
    )
    claim(all(facts["cpu"].values()), f"the fast kernels could not ask for the processor: {facts['cpu']}")
    claim(facts["uid"] == int(box.sh("id -u loupe")), f"the service runs as user {facts['uid']}")
    return f"{len(inside['outcomes'])} attempts stopped"


def check_memory(box: lab.Box) -> str:
    """No process of the service may be dumped or swapped, and nothing on the board swaps to a disk, now and later."""
    group = box.sh("systemctl show --property ControlGroup --value loupe.service").strip()
    processes = box.sh(f"cat /sys/fs/cgroup{group}/cgroup.procs").split()
    claim(len(processes) >= 2, f"the service has the processes {processes}")
    # The kernel gives the files of a process that must not be dumped to root.
    owners = {process: box.sh(f"stat --format %U /proc/{process}/environ").strip() for process in processes}
    claim(set(owners.values()) == {"root"}, f"these processes can be dumped: {owners}")
    for process in processes:
        cores = re.findall(r"Max core file size +(\d+) +(\d+)", box.sh(f"cat /proc/{process}/limits"))
        claim(cores == [("0", "0")], f"process {process} may write cores of {cores}")
    names = {
        process: box.sh(f"cat /proc/{process}/comm /proc/{process}/oom_score_adj").split() for process in processes
    }
    ended_first = [name for name, points in names.values() if int(points) > 0]
    claim("loupe-read" in ended_first, f"where memory runs out, not the readers are ended first: {names}")
    properties = box.sh("systemctl show --property MemorySwapMax,LimitCORE loupe.service").split()
    claim(set(properties) == {"MemorySwapMax=0", "LimitCORE=0"}, f"systemd says {properties}")
    target = box.sh("systemctl is-enabled swap.target || true").strip()
    claim(target == "masked", f"the target that starts swap is {target}")
    chosen = box.sh("cat /etc/rpi/swap.conf.d/*.conf")
    claim("\nMechanism=none\n" in chosen, f"Raspberry Pi OS is told to swap: {chosen}")
    swaps = box.sh("tail -n +2 /proc/swaps").strip()
    claim(not swaps, f"the board swaps to {swaps}")
    return f"{len(processes)} processes"


def note_packages(found: dict[str, str], architecture: str, listed: str) -> str:
    """Keep a board's Debian packages for `record_packages`; returns what is new."""
    found[architecture] = listed
    recorded = wheelhouse.debian_packages(architecture)
    before = set(recorded.read_text().splitlines()) if recorded.exists() else set()
    return f"{len(listed.splitlines())} packages, {len(set(listed.splitlines()) - before)} of them new"


def record_packages(found: dict[str, str]) -> None:
    """Write down the Debian packages, with versions, of boards on which all claims hold."""
    for architecture, listed in found.items():
        wheelhouse.debian_packages(architecture).write_text(listed)


def check_process(box: lab.Box) -> None:
    """What the kernel says of the serving process."""
    status = box.sh("cat /proc/$(systemctl show --property MainPID --value loupe.service)/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    claim(set(fields["Uid"].split()) == {box.sh("id -u loupe").strip()}, f"it runs as user {fields['Uid']}")
    for name, value in {"CapEff": 0, "CapBnd": 0, "NoNewPrivs": 1, "Seccomp": 2}.items():
        claim(int(fields[name], 16) == value, f"{name} of the service is {fields[name]}")


def check_units(box: lab.Box) -> str:
    """The board's own systemd finds no fault with the units, and little exposure."""
    faults = box.sh("systemd-analyze verify --man=no /etc/systemd/system/loupe.service 2>&1")
    claim(not faults, f"systemd-analyze verify: {faults}")
    report = box.sh(f"systemd-analyze security --threshold={EXPOSURE_LIMIT} --no-pager loupe.service")
    [exposure] = re.findall(r"Overall exposure level for loupe.service: ([\d.]+)", report)
    return f"exposure {exposure} of 10"


def check_damaged_bundle(box: lab.Box, log: Path) -> None:
    """One flipped bit in the network's weights: the playbook stops, and the good bundle stays where it was."""
    damaged = box.work / BUNDLE.name
    data = bytearray(BUNDLE.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    try:
        play(box, log, loupe_bundles=[str(damaged)])
    except lab.CommandFailedError:
        claim("signature_invalid" in log.read_text(), f"the playbook failed, but not on the signature: {log}")
    else:
        raise ClaimFailedError("the playbook installed a damaged bundle")


def check_update(box: lab.Box, log: Path) -> None:
    """Other wheels, another port, a key that is not trusted: the new release takes over, and nothing else is left."""
    wheelhouse = box.work / "wheelhouse"
    shutil.copytree(WHEELHOUSE, wheelhouse)
    with (wheelhouse / "x86_64" / "requirements.txt").open("a") as requirements:
        requirements.write("# one byte more makes another release\n")
    before = box.sh("readlink /opt/loupe/venv; echo stray > /etc/loupe/keys/stray.pub").strip()
    play(box, log, loupe_wheelhouse=str(wheelhouse), loupe_port=OTHER_PORT)
    after = box.sh("readlink /opt/loupe/venv").strip()
    releases = box.sh("ls -d /opt/loupe/releases/*").split()
    claim(before != after and releases == [after], f"{before} was to be replaced by {after}; there is {releases}")
    keys = box.sh("ls /etc/loupe/keys").split()
    claim(keys == sorted(path.name for path in (ROOT / "models" / "keys").glob("*.pub")), f"trusted keys: {keys}")
    left = box.sh(f"ls {CODE_FILE} || echo none").strip()
    answer = try_reset(box.clinic, CODE, OTHER_PORT)
    claim((left, answer) == ("none", "technician_code_unset"), f"without a code: {left}, and a reset: {answer}")


# --- the two boards --------------------------------------------------------------------------------------------------


def prove_box(steps: Steps, work: Path, packages: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Everything about the amd64 box; its readings of the golden pictures."""
    readings = {}
    with ExitStack() as stack:
        with steps.step("make Debian 13") as note:
            tar, cached = lab.debian_root("amd64", lab.BOX_PACKAGES, CACHE, steps.log("root-amd64"))
            note("cached" if cached else "made")
        with steps.step("unpack a fresh root and lay the cable"):
            lab.unpack(tar, work / "box", steps.log("root-amd64"))
            clinic = stack.enter_context(lab.Clinic())
            box = lab.Box(work / "box", work, clinic, steps.log("box"))
            stack.callback(box.shut_down)
            box.prepare()
            (box.root / "etc/rpi").mkdir()  # as in Raspberry Pi OS
        with steps.step("boot it"):
            box.boot()
        with steps.step("no uplink on either end of the cable"):
            check_no_uplink(box)
            box.pretend_swap("/var/swap")
        with steps.step("playbook, first run") as note:
            recap = play(box, steps.log("playbook-1"), loupe_technician_code=CODE)
            note(f"{recap['ok']} ok, {recap['changed']} changed")
        with steps.step("playbook, second run") as note:
            recap = play(box, steps.log("playbook-2"), loupe_technician_code=CODE)
            claim(recap["changed"] == 0, f"the second run changed {recap['changed']} things: {steps.log('playbook-2')}")
            note(f"{recap['ok']} ok, 0 changed")
        with steps.step("Debian packages, and the bill of materials, are noted on the box") as note:
            note(note_packages(packages, "x86_64", box.sh("cat /opt/loupe/debian-packages.txt")))
            kinds = {part["type"] for part in json.loads(box.sh("cat /opt/loupe/sbom.cdx.json"))["components"]}
            claim(kinds == {"library", "machine-learning-model", "data"}, f"the bill of materials has {kinds}")
        with steps.step("the page answers on the clinic's network"):
            claim(b"Loupe" in http(clinic, "/"), "the page does not say Loupe")
            claim(json.loads(http(clinic, "/readyz"))["ready"] is True, "the box is not ready")
        with steps.step("golden pictures, posted over the network, are read exactly") as note:
            for name, picture, expected in golden_pictures():
                readings[name] = post_picture(clinic, picture)
                check_reading(name, readings[name], expected)
            note(f"{len(readings)} of {len(readings)}")
        with steps.step("what was read is counted in the store"):
            counts = sum(counted(picture) for _, picture, _ in golden_pictures())
            check_counts(clinic, counts)
            counts += 1  # the TIFF below
        with steps.step("the technician's code is asked for, and is the service's alone"):
            check_technician(box, steps.log("playbook-1"))
        with steps.step("loupe verify on the box"):
            box.sh("sudo -u loupe /opt/loupe/venv/bin/loupe verify")
        with steps.step("units, as the board's systemd sees them") as note:
            note(check_units(box))
        with steps.step("a TIFF, which another process decodes, is read as the picture that it holds"):
            check_other_format(clinic, readings)
        with steps.step("what is in memory stays there: no dump, no swap") as note:
            note(check_memory(box))
        with steps.step("the sandbox holds") as note:
            check_process(box)
            note(check_sandbox(box))
        with steps.step("only private networks are served") as note:
            note(check_only_private_clients(box))
        with steps.step("a damaged bundle is refused, and the box reads on"):
            check_damaged_bundle(box, steps.log("playbook-damaged"))
            name, picture, expected = golden_pictures()[0]
            check_reading(name, post_picture(clinic, picture), expected)
        with steps.step("an update replaces the program, the port and the trusted keys"):
            check_update(box, steps.log("playbook-update"))
            check_reading(name, post_picture(clinic, picture, OTHER_PORT), expected)
        with steps.step("off and on again: it reads"):
            box.shut_down()
            box.boot()
            check_counts(clinic, counts + 2 * counted(picture), OTHER_PORT)
            check_reading(name, post_picture(clinic, picture, OTHER_PORT), expected)
    return readings


def prove_arm64(steps: Steps, work: Path, readings: dict[str, dict[str, Any]], packages: dict[str, str]) -> None:
    """The same wheelhouse on the emulated board. `readings`: those of the amd64 box."""
    log, root = steps.log("arm64"), work / "arm64"
    with lab.arm64_programs(CACHE, log):
        with steps.step("arm64: make Debian 13") as note:
            tar, cached = lab.debian_root("arm64", lab.ARM64_PACKAGES, CACHE, log)
            note("cached" if cached else "made")
        with steps.step("arm64: unpack a fresh root") as note:
            lab.unpack(tar, root, log)
            claim(lab.run_in_root(root, "uname -m", log).strip() == "aarch64", "the root does not run as aarch64")
            note(note_packages(packages, "aarch64", lab.run_in_root(root, DEBIAN_PACKAGES, log)))
            (root / "opt/loupe").mkdir()
            shutil.copytree(WHEELHOUSE / "aarch64", root / "opt/loupe/wheels")
            shutil.copytree(ROOT / "models", root / "opt/loupe/models")
            for name, picture, _ in golden_pictures():
                (root / "opt/loupe" / f"{name}.png").write_bytes(picture)
        with steps.step("arm64: install from the wheelhouse, without network"):
            lab.run_in_root(
                root,
                "cd /opt/loupe; python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check "
                "--no-index --find-links=wheels --require-hashes --requirement wheels/requirements.txt",
                log,
            )
        loupe = "cd /opt/loupe; venv/bin/loupe"
        with steps.step("arm64: loupe verify, bit for bit, as the service's processes are: no root's, not dumpable"):
            lab.run_in_root(
                root,
                "cd /opt/loupe; setpriv --reuid=nobody --regid=nogroup --clear-groups venv/bin/python -c '"
                "import sys; from device.cli import main; from device.base.dumps import forbid_dumps; "
                'forbid_dumps(); sys.exit(main(["verify"]))\'',
                log,
            )
        with steps.step("arm64: the readings are those of the amd64 box") as note:
            names = " ".join(f"'{name}.png'" for name in readings)
            options = f"--language en --json --um-per-px {golden_um_per_px()}"
            # Status 3: the gate refused some, as it must where the bundle says so.
            printed = lab.run_in_root(root, f"{loupe} read {options} {names} || [ $? = 3 ]", log)
            here = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
            for (name, reading), other in zip(readings.items(), here, strict=True):
                found = list(differences(comparable(reading), comparable(other)))
                claim(not found, f"{name} is read otherwise on arm64: {'; '.join(found[:5])}")
            note(f"{len(here)} equal")
        with steps.step("arm64: where the fast kernels find no /sys, it refuses to read"):
            output = lab.run_in_root(root, f"if {loupe} verify; then exit 1; fi", log, sys=False)
            claim("golden_mismatch" in output, f"it refused, but not for its golden pictures:\n{output}")


def main() -> int:
    lab.stop_on_signals()
    logs = CACHE / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    steps = Steps(logs)
    work = Path(tempfile.mkdtemp(prefix="loupe-box-", dir="/var/tmp"))
    status = 1
    try:
        with steps.step("collect the wheels of both architectures"):
            lab.run([sys.executable, PROVISIONING / "wheelhouse.py"], steps.log("wheelhouse"))
        packages: dict[str, str] = {}
        readings = prove_box(steps, work, packages)
        if os.environ.get("LOUPE_BOX_ARM64") != "0":
            prove_arm64(steps, work, readings, packages)
        record_packages(packages)
        status = 0
    except (ClaimFailedError, lab.CommandFailedError) as error:
        print(f"\n{error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
    finally:
        if os.environ.get("LOUPE_BOX_KEEP") == "1":
            print(f"the roots are kept: {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    print(f"\n{steps.table()}\n\n{'FAILED' if status else 'All claims hold'}; logs: {logs}")
    return status


if __name__ == "__main__":
    sys.exit(main())
