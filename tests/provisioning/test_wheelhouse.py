"""The wheelhouse holds what a box needs, chosen for the box and not for the machine that collects it."""

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import sbom
import wheelhouse

from tests.support.shipped import BUNDLE, KEYS

LOCK = """\
# a comment
here==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via something
old-python==2.0 ; python_full_version < '3.12' \\
    --hash=sha256:cc
new-python==3.0 ; python_full_version >= '3.12' \\
    --hash=sha256:dd
elsewhere==4.0 ; sys_platform == 'win32' \\
    --hash=sha256:ee
on-a-board==5.0 ; platform_machine == 'aarch64' \\
    --hash=sha256:ff
"""


def test_requirements_are_those_of_the_board_and_keep_their_hashes() -> None:
    assert wheelhouse.locked_for(LOCK, "x86_64") == [
        "here==1.0 --hash=sha256:aa --hash=sha256:bb",
        "new-python==3.0 --hash=sha256:dd",
    ]
    assert wheelhouse.locked_for(LOCK, "aarch64")[-1] == "on-a-board==5.0 --hash=sha256:ff"


def test_a_requirement_without_hash_is_refused() -> None:
    with pytest.raises(SystemExit, match="no hash"):
        wheelhouse.locked_for("loose==1.0\n", "x86_64")


def test_the_lock_serves_both_kinds_of_board() -> None:
    lock = (wheelhouse.ROOT / "locks" / "box.txt").read_text(encoding="utf-8")
    for architecture in wheelhouse.ARCHITECTURES:
        names = {line.partition("==")[0] for line in wheelhouse.locked_for(lock, architecture)}
        assert {"ai-edge-litert", "numpy", "pillow", "flask", "gunicorn", "cryptography"} <= names


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel for a box."""
    return wheelhouse.build_own_wheel(tmp_path_factory.mktemp("wheel"))


def test_own_wheel_holds_every_file_of_the_box_and_is_the_same_bytes_each_time(wheel: Path, tmp_path: Path) -> None:
    assert wheel.read_bytes() == wheelhouse.build_own_wheel(tmp_path).read_bytes()
    device = wheelhouse.ROOT / "device"
    here = {str(path.relative_to(device.parent)) for path in device.rglob("*") if path.is_file()}
    missing = {name for name in here if "__pycache__" not in name} - set(zipfile.ZipFile(wheel).namelist())
    assert not missing


def test_own_wheel_holds_nothing_of_training(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        folders = {name.partition("/")[0] for name in archive.namelist()}
        [scripts] = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/entry_points.txt")]
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"device"}
    assert scripts.split() == ["[console_scripts]", "loupe", "=", "device.cli:main"]


def test_a_project_whose_training_program_is_called_otherwise_is_told() -> None:
    with pytest.raises(SystemExit, match="loupe-train"):
        wheelhouse.box_project("[project.scripts]\n")


def test_own_wheel_runs_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    """The packages that it needs are borrowed from this environment, but not the repository that is installed there."""
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "-qq",
        "--no-index",
        "--no-deps",
        str(wheel),
    ]
    subprocess.run(install, check=True)
    [packages] = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")

    def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, env=clean)

    loupe = tmp_path / "venv" / "bin" / "loupe"
    assert run(loupe, "--version").stdout.startswith("loupe ")
    assert run(python, "-c", "import device; print(device.__file__)").stdout.startswith(str(packages))
    verified = run(loupe, "verify", "--bundle", str(BUNDLE), "--keys", str(KEYS))
    assert (verified.returncode, verified.stdout.partition(":")[0]) == (0, "bach.loupe"), verified.stderr
    assert not loupe.with_name("loupe-train").exists()
    assert "No module named 'training'" in run(python, "-c", "import training").stderr


def draw_wheel(directory: Path, name: str, version: str, *told: str) -> Path:
    """A wheel with nothing in it but what it says of itself."""
    path = directory / f"{name}-{version}-py3-none-any.whl"
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *told]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}-{version}.dist-info/METADATA", "\n".join(lines) + "\n")
    return path


def test_the_bill_of_materials_names_each_wheel_with_hash_licence_and_needs_and_each_model(tmp_path: Path) -> None:
    decoder = draw_wheel(tmp_path, "numpy", "2.0", "License-Expression: MIT")
    own = draw_wheel(tmp_path, "loupe", "0.1.0", "License-Expression: Apache-2.0")
    text = sbom.bill(tmp_path)
    document = json.loads(text)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    parts = {part["name"]: part for part in (document["metadata"]["component"], *document["components"])}
    for name, path in (("loupe", own), ("numpy", decoder)):
        assert parts[name]["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]
    assert parts["numpy"]["licenses"][0]["license"]["id"] == "MIT"
    needs = {row["ref"]: row.get("dependsOn", []) for row in document["dependencies"]}
    assert needs[parts["loupe"]["bom-ref"]] == [parts["numpy"]["bom-ref"]]
    bundle = parts["bach"]
    assert bundle["type"] == "machine-learning-model"
    assert bundle["hashes"][0]["content"] == hashlib.sha256(BUNDLE.read_bytes()).hexdigest()
    assert parts["@fontsource/source-sans-3"]["licenses"]
    assert sbom.bill(tmp_path) == text


def test_a_bill_that_is_none_by_the_schema_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_wheel(tmp_path, "loupe", "0.1.0")
    own = {"type": "typeface", "name": "loupe"}
    monkeypatch.setattr(sbom, "listed_by_tool", lambda _: {"metadata": {"component": own}, "components": []})
    with pytest.raises(SystemExit, match="isn't CycloneDX"):
        sbom.bill(tmp_path)


def test_the_kit_names_the_debian_packages_of_both_kinds_of_board() -> None:
    for architecture in wheelhouse.ARCHITECTURES:
        listed = dict(line.split() for line in wheelhouse.debian_packages(architecture).read_text().splitlines())
        assert listed["python3"].startswith(wheelhouse.PYTHON)
        assert {"python3-venv", "libc6"} <= listed.keys()
