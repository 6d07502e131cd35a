"""`loupe` as people type it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from conftest import BUNDLE, KEYS
from PIL import Image as Pillow

from device import cli
from device.bundle import Bundle
from device.cli import main
from device.errors import SettingInvalid
from device.settings import Settings

WITH_BUNDLE = ["--bundle", str(BUNDLE), "--keys", str(KEYS), "--language", "en"]


@pytest.fixture
def accepted(bundle: Bundle, tmp_path: Path) -> Path:
    """An accepted golden picture as a file."""
    member = next(g["picture"] for g in bundle.manifest["golden"] if g["expected"]["reason"] is None)
    path = tmp_path / "accepted.png"
    path.write_bytes(bundle.members[member])
    return path


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    path = tmp_path / "blank.png"
    Pillow.new("RGB", (600, 400), (240, 240, 240)).save(path)
    return path


def test_read_prints_classes_and_the_notice(accepted: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", str(accepted), *WITH_BUNDLE]) == 0
    told = capsys.readouterr().out
    assert all(label["name"]["en"] in told for label in bundle.manifest["labels"])
    assert "Research use only" in told


def test_read_goes_on_after_a_bad_file_and_says_so(
    accepted: Path, blank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a picture")
    assert main(["read", str(text), str(tmp_path / "none.png"), str(blank), str(accepted), "--json", *WITH_BUNDLE]) == 1
    captured = capsys.readouterr()
    readings = [json.loads(line) for line in captured.out.splitlines()]
    assert [r["file"] for r in readings] == [str(blank), str(accepted)]
    assert readings[0]["verdict"]["reason"]["code"] == "blank"
    assert "[unsupported_format]" in captured.err
    assert "none.png: No such file" in captured.err


def test_a_refused_picture_has_its_own_exit_status(blank: Path) -> None:
    assert main(["read", str(blank), *WITH_BUNDLE]) == 3


def test_overlay_colours_evidence_and_leaves_the_rest(accepted: Path, tmp_path: Path) -> None:
    out = tmp_path / "overlay.png"
    assert main(["read", str(accepted), "--overlay", str(out), *WITH_BUNDLE]) == 0
    drawn, original = (np.asarray(Pillow.open(path).convert("RGB")) for path in (out, accepted))
    assert drawn.shape == original.shape
    changed = (drawn != original).any(-1).mean()
    assert 0.01 < changed < 0.99
    assert main(["read", str(accepted), str(accepted), "--overlay", str(out), *WITH_BUNDLE]) == 2


def test_reads_standard_input(
    accepted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(accepted.read_bytes())))
    assert main(["read", "-", "--json", *WITH_BUNDLE]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == "-"


def test_verify_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *WITH_BUNDLE]) == 0
    assert "golden pictures are as recorded" in capsys.readouterr().out
    assert main(["verify", *WITH_BUNDLE, "--keys", str(tmp_path)]) == 1
    assert "[unknown_signer]" in capsys.readouterr().err


def test_every_flag_of_serve_reaches_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}

    def kept(_: Path | None, flags: Mapping[str, object]) -> Settings:
        given.update(flags)
        raise SettingInvalid(setting="", value="", allowed="")

    monkeypatch.setattr(cli, "load_settings", kept)
    typed = {field.name: "7" for field in fields(Settings)}
    flags = [part for name, value in typed.items() for part in (f"--{name.replace('_', '-')}", value)]
    assert main(["serve", *flags]) == 1
    assert {name: value if isinstance(value, list) else str(value) for name, value in given.items()} == {
        **typed, "names": ["7"]
    }  # fmt: skip


def test_a_benchmark_without_repeats_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "-n", "0", *WITH_BUNDLE])
    assert stopped.value.code == 2
    assert "'0' isn't a whole number, 1 or more" in capsys.readouterr().err


def test_the_box_needs_nothing_of_training() -> None:
    code = (
        "import sys, device.cli, device.server, device.bench, device.overlay\n"
        "sys.exit(any(m.split('.')[0] in ('training', 'tensorflow', 'scipy', 'sklearn') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
