"""The wheelhouse holds what a box needs, chosen for the box and not for the machine that collects it."""

import zipfile
from pathlib import Path

import pytest
import wheelhouse

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


def test_own_wheel_holds_every_file_of_the_box_and_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, second = (tmp_path / name for name in ("first", "second"))
    for folder in (first, second):
        folder.mkdir()
    wheel = wheelhouse.build_own_wheel(first)
    assert wheel.read_bytes() == wheelhouse.build_own_wheel(second).read_bytes()

    device = wheelhouse.ROOT / "device"
    here = {str(path.relative_to(device.parent)) for path in device.rglob("*") if path.is_file()}
    missing = {name for name in here if "__pycache__" not in name} - set(zipfile.ZipFile(wheel).namelist())
    assert not missing
