"""Collect everything that a box installs, so that the box itself needs no network.

    python provisioning/wheelhouse.py                    # both architectures, into build/wheelhouse
    python provisioning/wheelhouse.py --arch aarch64     # boards of the Raspberry Pi kind only

For each architecture a directory with the wheels of `locks/box.txt` for Debian 13's Python, this project's own wheel,
and `requirements.txt`: one line and one hash list a package, without markers, so that `pip install --require-hashes`
on the box accepts these files and no others. With them `sbom.cdx.json`, the bill of materials (`sbom.py`), and
`debian-packages.txt`, the packages and versions of the board on which `make box-test` proved the box last. Beside it the
same as one .tar, which is what travels to the box: two dozen single files would take Ansible minutes. Run it with the
development environment (it needs pip, packaging, setuptools and cyclonedx-bom) on a machine that reaches a package
registry. Same sources, same lock: the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import sbom
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "3.13"  # Debian 13 and the Raspberry Pi OS made from it
GLIBC_MINOR = 41  # theirs too: a wheel may ask for any glibc up to 2.41
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # the kernel's name of each, and Debian's
# The own wheel is built from these alone, and dated with a constant: its hash changes only when what it holds does,
# so a box whose program is unchanged is left alone by the playbook.
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "device")
# `training` stays at home, and so does its program, which would find nothing to run.
TRAINING_SCRIPT = 'loupe-train = "training.cli:main"\n'
SOURCE_DATE_EPOCH = "1577836800"  # 2020-01-01, as zip archives can't be dated before 1980


def target_environment(architecture: str) -> dict[str, str]:
    """The environment markers of a box. pip would evaluate them for the machine that it runs on."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{PYTHON}.0",
        "os_name": "posix",
        "platform_machine": architecture,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{PYTHON}.0",
        "python_version": PYTHON,
        "sys_platform": "linux",
        "extra": "",
    }


def locked_for(lock_text: str, architecture: str) -> list[str]:
    """The lock's requirements that apply to a box, one line each: `name==version --hash=… --hash=…`."""
    environment = target_environment(architecture)
    lines = []
    for entry in re.sub(r"\\\n\s*", " ", lock_text).splitlines():
        if not entry.strip() or entry.lstrip().startswith("#"):
            continue
        requirement_text, *hashes = re.split(r"\s+--hash=", entry.strip())
        if not hashes:
            raise SystemExit(f"{requirement_text!r} has no hash in the lock file: run `make lock`")
        requirement = Requirement(requirement_text)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            requirement.marker = None
            lines.append(" ".join([str(requirement), *(f"--hash={digest}" for digest in hashes)]))
    return lines


def reuse(lines: list[str], earlier: Path, into: Path) -> bool:
    """Link the wheels of an earlier collection if it was made from the same lock, so that no registry is asked."""
    made_from = earlier / "requirements.txt"
    if not made_from.is_file() or made_from.read_text(encoding="utf-8").splitlines()[:-1] != lines:
        return False
    for wheel in earlier.glob("*.whl"):
        if not wheel.name.startswith("loupe-"):
            os.link(wheel, into / wheel.name)
    return True


def debian_packages(architecture: str) -> Path:
    """The list of Debian packages, with versions, that `make box-test` keeps."""
    return ROOT / "provisioning" / "debian-packages" / f"{ARCHITECTURES[architecture]}.txt"


def download(requirements: Path, architecture: str, into: Path) -> None:
    """The wheels of `requirements` for a box, each with a hash that the lock names."""
    platforms = [f"manylinux_2_{minor}_{architecture}" for minor in range(GLIBC_MINOR, 16, -1)]
    command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--require-hashes"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(into), "--requirement", str(requirements)]
    command += ["--implementation", "cp", "--python-version", PYTHON, "--abi", f"cp{PYTHON.replace('.', '')}"]
    command += ["--abi", "abi3", "--abi", "none"]
    for platform in [*platforms, f"manylinux2014_{architecture}"]:
        command += ["--platform", platform]
    subprocess.run(command, check=True)


def box_project(project: str) -> str:
    """The text of `pyproject.toml` for the box: without the program that trains."""
    if project.count(TRAINING_SCRIPT) != 1:
        raise SystemExit(f"pyproject.toml has no line {TRAINING_SCRIPT.strip()!r}: mend TRAINING_SCRIPT")
    return project.replace(TRAINING_SCRIPT, "")


def build_own_wheel(into: Path) -> Path:
    """This project's wheel for a box, built from a clean copy: leftovers of earlier builds in the tree must not slip in."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "project"
        copy.mkdir()
        for name in SOURCES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
            elif source.exists():
                shutil.copyfile(source, copy / name)
        project = copy / "pyproject.toml"
        project.write_text(box_project(project.read_text(encoding="utf-8")), encoding="utf-8")
        for path in copy.rglob("*"):  # the umask of whoever checked the sources out must not show either
            path.chmod(0o755 if path.is_dir() else 0o644)
        command = [sys.executable, "-m", "pip", "wheel", "-qq", "--disable-pip-version-check", "--no-index"]
        command += ["--no-deps", "--no-build-isolation", "--wheel-dir", scratch, str(copy)]
        subprocess.run(command, check=True, env=os.environ | {"SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH})
        [wheel] = Path(scratch).glob("*.whl")
        return Path(shutil.copy(wheel, into))


def collect(architecture: str, own_wheel: Path, destination: Path) -> None:
    """Fill `destination` for one architecture. It appears complete or not at all, and without stale wheels."""
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=f".{architecture}-") as scratch:
        fresh = Path(scratch) / architecture
        fresh.mkdir()
        requirements = fresh / "requirements.txt"
        lines = locked_for((ROOT / "locks" / "box.txt").read_text(encoding="utf-8"), architecture)
        requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if not reuse(lines, destination, fresh):
            download(requirements, architecture, fresh)
        shutil.copy(own_wheel, fresh)
        name, version, *_ = own_wheel.name.split("-")
        digest = hashlib.sha256(own_wheel.read_bytes()).hexdigest()
        with requirements.open("a", encoding="utf-8") as text:
            text.write(f"{name}=={version} --hash=sha256:{digest}\n")
        (fresh / sbom.NAME).write_text(sbom.bill(fresh), encoding="utf-8")
        shutil.copy(debian_packages(architecture), fresh / "debian-packages.txt")
        archive = shutil.make_archive(str(Path(scratch) / "wheels"), "tar", fresh)
        shutil.rmtree(destination, ignore_errors=True)
        fresh.rename(destination)
        Path(archive).rename(destination.with_suffix(".tar"))


def table(directory: Path) -> str:
    """What an architecture's directory holds, for the terminal."""
    wheels = sorted(directory.glob("*.whl"), key=lambda wheel: wheel.name.lower())
    rows = [f"{directory.name}: {len(wheels)} wheels in {directory}"]
    for wheel in wheels:
        name, version, *_, platform = wheel.stem.split("-")
        rows.append(f"  {name:<20} {version:<12} {platform.split('.')[0]:<26} {wheel.stat().st_size / 1e6:7.2f} MB")
    rows.append(f"  {'together':<60} {sum(wheel.stat().st_size for wheel in wheels) / 1e6:7.2f} MB")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", nargs="+", choices=ARCHITECTURES, default=tuple(ARCHITECTURES))
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "wheelhouse", help="default: %(default)s")
    options = parser.parse_args()

    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        own_wheel = build_own_wheel(Path(scratch))
        for architecture in options.arch:
            collect(architecture, own_wheel, options.out / architecture)
            print(table(options.out / architecture), flush=True)


if __name__ == "__main__":
    main()
