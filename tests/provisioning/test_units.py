"""The units as files. Whether their sandbox holds is `make box-test`'s to show, with the systemd of a box."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.shipped import ROOT

SERVICE = ROOT / "systemd" / "loupe.service"
EXPOSURE_LIMIT = 15  # tenths; older systemd than the box's does not count all that the unit says


def settings_of(unit: Path) -> list[tuple[str, str]]:
    """(setting, value) of each line, in order; a setting may be there more than once."""
    return re.findall(r"^(\w+)=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_exposure_is_low() -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_LIMIT}", "--no-pager"]
    done = subprocess.run([*command, str(SERVICE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr


def test_unit_and_role_agree_on_places() -> None:
    places = yaml.safe_load((ROOT / "provisioning/roles/loupe/vars/main.yml").read_text(encoding="utf-8"))
    expected = f"{places['loupe_home']}/venv/bin/loupe serve --config {places['loupe_etc']}/loupe.toml"
    assert ("ExecStart", expected) in settings_of(SERVICE)
    assert ("StateDirectory", places["loupe_state"].removeprefix("/var/lib/")) in settings_of(SERVICE)


def test_what_is_in_memory_reaches_neither_swap_nor_a_dump() -> None:
    """That the processes are left out of dumps by programs too is `tests/device/test_journal.py`'s to show."""
    found = settings_of(SERVICE)
    assert {("MemorySwapMax", "0"), ("LimitCORE", "0"), ("PrivateTmp", "disconnected")} <= set(found)
    assert "RuntimeDirectory" not in dict(found)
    assert "LogsDirectory" not in dict(found)


def test_the_journal_takes_so_many_lines_and_no_more() -> None:
    found = dict(settings_of(SERVICE))
    assert int(found["LogRateLimitBurst"]) <= 1000
    assert found["LogRateLimitIntervalSec"] == "1min"


def test_fast_kernels_find_what_they_look_for() -> None:
    """XNNPACK reads /proc/cpuinfo and /sys on arm64; an amd64 box would not notice that they are hidden."""
    hidden = [
        (name, value)
        for name, value in settings_of(SERVICE)
        if name == "ProcSubset"
        or (name in ("InaccessiblePaths", "TemporaryFileSystem") and re.search(r"/(proc|sys)", value))
    ]
    assert hidden == []
