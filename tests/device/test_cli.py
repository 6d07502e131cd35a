"""`loupe` as people type it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from device.base.errors import SettingInvalid
from device.cli import main
from device.commands import command, read, verify
from device.documents import overlay
from device.reading.bundle import Bundle
from device.settings import SETTINGS, Setting, Settings
from tests.support.shipped import BUNDLE, KEYS, UM_PER_PX

SCALE = ["--um-per-px", str(UM_PER_PX)]
WITH_BUNDLE = ["--bundle", str(BUNDLE), "--keys", str(KEYS), "--language", "en"]


@pytest.fixture
def accepted(bundle: Bundle, tmp_path: Path) -> Path:
    """An accepted golden picture as a file."""
    member = next(g.picture for g in bundle.manifest.golden if g.expected.reason is None)
    path = tmp_path / "accepted.png"
    path.write_bytes(bundle.members[member])
    return path


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    path = tmp_path / "blank.png"
    Pillow.new("RGB", (600, 400), (240, 240, 240)).save(path)
    return path


def test_read_prints_classes_and_the_notice(accepted: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", str(accepted), *SCALE, *WITH_BUNDLE]) == 0
    told = capsys.readouterr().out
    assert all(label.name.en in told for label in bundle.manifest.labels)
    assert "Research use only" in told


@pytest.mark.parametrize("language", ["en", "fr"])
def test_tissue_of_unknown_scale_gets_no_class_and_is_told_how_to_get_one(
    language: str, accepted: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["read", str(accepted), "--language", language, *WITH_BUNDLE]) == 3
    told = capsys.readouterr().out
    assert "--um-per-px" in told
    assert "--assume-field" in told
    assert not any(label.name.text(language) in told for label in bundle.manifest.labels)
    assert main(["read", str(accepted), "--json", *WITH_BUNDLE]) == 3
    reading = json.loads(capsys.readouterr().out)
    assert (reading["scale"]["state"], reading["answer"], reading["units"]) == ("unknown", None, None)
    assert reading["class_map"]["values"]


def test_what_a_file_states_is_offered_where_nothing_was_given(
    accepted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stating = tmp_path / "stating.png"
    Pillow.open(accepted).save(stating, dpi=(15119, 15119))  # 1.68 µm
    assert main(["read", str(stating), *WITH_BUNDLE]) == 3
    assert "--um-per-px 1.68." in capsys.readouterr().out


def test_a_technician_may_assume_the_models_own_field_and_is_told_so(
    accepted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config := tmp_path / "loupe.toml").write_text("assume_field = true\n")
    for allowed in (["--assume-field"], ["--config", str(config)]):
        assert main(["read", str(accepted), *allowed, *WITH_BUNDLE]) == 0
        assert "Nobody gave the size of a pixel" in capsys.readouterr().out


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


def test_overlay_colours_evidence_and_leaves_the_rest_grey(accepted: Path, tmp_path: Path) -> None:
    out = tmp_path / "overlay.png"
    assert main(["read", str(accepted), "--overlay", str(out), *SCALE, *WITH_BUNDLE]) == 0
    drawn, grey = np.asarray(Pillow.open(out)), np.asarray(Pillow.open(accepted).convert("L").convert("RGB"))
    assert drawn.shape == grey.shape
    changed = (drawn != grey).any(-1).mean()
    assert 0.01 < changed < 0.99
    assert main(["read", str(accepted), str(accepted), "--overlay", str(out), *WITH_BUNDLE]) == 2


NO_OVERLAYS = {
    "folder missing": ("none/out.png", "there is no such folder"),
    "no suffix": ("out", "its name must end in .png"),
    "unknown suffix": ("out.xyz", "its name must end in .png"),
    "suffix that can only be read": ("out.psd", "its name must end in .png"),
    "is a folder": ("folder.png", "it is a folder"),
    "folder itself": (".", "it is a folder"),
    "the picture": ("accepted.png", "it is the picture itself"),
    "link to the picture": ("link.png", "it is the picture itself"),
    "file for a folder": ("accepted.png/out.png", ""),
    "long name": ("x" * 300 + ".png", "too long"),
    "circle of links": ("circle/out.png", ""),
}


@pytest.mark.parametrize(("out", "reason"), NO_OVERLAYS.values(), ids=NO_OVERLAYS)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_an_overlay_that_cannot_be_written_is_told_in_one_line_before_anything_is_read(
    out: str,
    reason: str,
    language: str,
    accepted: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(read, "open_verified_bundles", lambda *_: pytest.fail("the models were opened first"))
    folder = accepted.parent
    (folder / "folder.png").mkdir()
    (folder / "link.png").symlink_to(accepted)
    (folder / "circle").symlink_to("circle")
    before = accepted.read_bytes()
    assert main(["read", str(accepted), "--overlay", f"{folder}/{out}", "--language", language]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "[overlay_unwritable]" in captured.err
    if language == "en":
        assert reason in captured.err
    assert accepted.read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_overlay_in_a_folder_that_may_not_be_written_is_told(
    accepted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (closed := accepted.parent / "closed").mkdir(0o500)
    assert main(["read", str(accepted), "--overlay", str(closed / "o.png"), *WITH_BUNDLE]) == 2
    assert "may not write there" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [*overlay.SUFFIXES, ".PNG", ".JPG"])
def test_an_overlay_can_be_written_in_each_format_that_is_named(suffix: str, accepted: Path, tmp_path: Path) -> None:
    assert main(["read", str(accepted), "--overlay", str(tmp_path / f"o{suffix}"), *SCALE, *WITH_BUNDLE]) == 0
    with Pillow.open(tmp_path / f"o{suffix}") as drawn:
        assert drawn.size == Pillow.open(accepted).size


def test_a_disk_that_is_full_is_told_after_the_reading(
    accepted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full.bmp").symlink_to("/dev/full")
    assert main(["read", str(accepted), "--overlay", str(tmp_path / "full.bmp"), *WITH_BUNDLE]) == 1
    captured = capsys.readouterr()
    assert "[overlay_unwritable]" in captured.err
    assert "No space left" in captured.err
    assert captured.out


def test_a_refused_picture_without_places_says_that_no_overlay_was_written(
    blank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["read", str(blank), "--overlay", str(tmp_path / "o.png"), *WITH_BUNDLE]) == 3
    assert (tmp_path / "o.png").exists() != ("o.png was not written" in capsys.readouterr().err)


def run(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    """`loupe` as a program of its own."""
    command = [sys.executable, "-m", "device.cli", *arguments, *WITH_BUNDLE]
    return subprocess.run(command, check=False, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["words", "json"])
def test_output_that_nobody_reads_any_more_ends_quietly(form: list[str], accepted: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = run(["read", *[str(accepted)] * 3, *form], stdout=writing)
    os.close(writing)
    assert ended.returncode == 1
    assert b"Traceback" not in ended.stderr
    assert b"Exception" not in ended.stderr


@pytest.mark.parametrize("arguments", [["read", "PICTURE"], ["read", "PICTURE", "--json"], ["verify"]])
def test_output_that_cannot_be_written_is_told(arguments: list[str], accepted: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = run([str(accepted) if part == "PICTURE" else part for part in arguments], stdout=full)
    assert ended.returncode == 1
    assert b"[output_unwritable]" in ended.stderr
    assert b"Traceback" not in ended.stderr
    assert b"Exception" not in ended.stderr


@pytest.mark.parametrize("locale", ["C", "en_US.ISO-8859-1", "C.UTF-8"])
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["words", "json"])
def test_names_and_words_that_a_terminal_cannot_show_are_written_all_the_same(
    locale: str, form: list[str], accepted: Path
) -> None:
    name = os.fsencode(accepted.parent) + b"/\xff\xe9.png"
    Path(os.fsdecode(name)).write_bytes(accepted.read_bytes())
    environment = {**os.environ, "LC_ALL": locale, "PYTHONIOENCODING": ":strict", "PYTHONCOERCECLOCALE": "0"}
    command: list[str | bytes] = [sys.executable, "-m", "device.cli", "read", name, *form, *SCALE, *WITH_BUNDLE]
    ended = subprocess.run(command, check=False, capture_output=True, env=environment)
    assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False)
    assert b".png" in ended.stdout


def test_what_is_no_file_is_named_and_the_rest_is_read(
    accepted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "circle").symlink_to("circle")
    names = [str(tmp_path), str(tmp_path / "circle"), "x" * 300, str(accepted), str(accepted)]
    assert main(["read", *names, "--json", *WITH_BUNDLE]) == 1
    captured = capsys.readouterr()
    assert [json.loads(line)["file"] for line in captured.out.splitlines()] == names[3:]
    assert [line.rpartition(": ")[0] for line in captured.err.splitlines()] == names[:3]


def test_standard_input_is_read_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "-", "-", *WITH_BUNDLE]) == 2
    assert "once" in capsys.readouterr().err


def test_a_closed_standard_input_holds_no_picture(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert main(["read", "-", *WITH_BUNDLE]) == 1
    assert capsys.readouterr().err.startswith("-: ")


def test_a_person_who_stops_it_sees_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verify, "open_verified_bundles", stop)
    assert main(["verify", *WITH_BUNDLE]) == 130


@pytest.mark.parametrize("given", ["", "x", "0", "-1", "nan", "1e9"])
def test_a_size_of_a_pixel_that_cannot_be_right_is_named(
    given: str, accepted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["read", str(accepted), f"--um-per-px={given}", *WITH_BUNDLE]) == 1
    assert "[scale_invalid]" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["read x.png", "serve", "verify", "bench"])
def test_a_missing_settings_file_is_named_by_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--config", "/no/such.toml"]) == 1
    printed = capsys.readouterr().err
    assert "/no/such.toml" in printed
    assert "[setting_invalid]" in printed


def test_reads_standard_input(
    accepted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(accepted.read_bytes())))
    assert main(["read", "-", "--json", *SCALE, *WITH_BUNDLE]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == "-"


def test_verify_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *WITH_BUNDLE]) == 0
    assert "golden pictures are as recorded" in capsys.readouterr().out
    assert main(["verify", *WITH_BUNDLE, "--keys", str(tmp_path)]) == 1
    assert "[unknown_signer]" in capsys.readouterr().err


def settings_given(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> Mapping[str, object]:
    """The flags that a command hands to the settings; those that weren't typed are None."""
    given: dict[str, object] = {}

    def keep(_: Path | None, flags: Mapping[str, object]) -> Settings:
        given.update(flags)
        raise SettingInvalid(setting="", value="", allowed="")

    monkeypatch.setattr(command, "load_settings", keep)
    assert main(arguments) == 1
    return given


def test_every_flag_of_serve_reaches_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = [
        part
        for name, setting in SETTINGS.items()
        for part in (f"--{name.replace('_', '-')}", *(() if setting.is_switch else ("7",)))
    ]

    def typed(setting: Setting) -> object:
        return True if setting.is_switch else ("7",) if setting.is_list else 7 if setting.bounds else "7"

    assert settings_given(monkeypatch, ["serve", *flags]) == {
        name: typed(setting) for name, setting in SETTINGS.items()
    }
    assert set(settings_given(monkeypatch, ["serve"]).values()) == {None}
    assert settings_given(monkeypatch, ["serve", "--queue", "0"])["queue"] == 0


@pytest.mark.parametrize("typed", ["--names a.example b.example", "--names a.example --port 7 --names b.example"])
def test_a_flag_that_is_a_list_takes_several_values_or_stands_several_times(
    typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings_given(monkeypatch, ["serve", *typed.split()])
    assert given["names"] == ("a.example", "b.example")


@pytest.mark.parametrize("name", ["read", "serve", "verify", "bench"])
def test_the_help_of_a_command_names_its_settings_and_their_defaults(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for setting in SETTINGS.values():
        flag = f"--{setting.name.replace('_', '-')} "
        assert (flag in printed) == (name in setting.commands)
        if name in setting.commands:
            assert setting.help in printed
            assert not setting.bounds or f"({setting.allowed}, default {setting.default})" in printed


@pytest.mark.parametrize("typed", [[], ["look"], ["read"], ["serve", "--port", "x"], ["serve", "--prot", "1"]])
def test_a_command_line_that_cannot_be_right_ends_with_2(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed) == 2
    assert "Usage: loupe" in capsys.readouterr().err


def test_a_number_out_of_its_limits_is_told_in_the_language_of_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--threads", "17", "--language", "fr"]) == 1
    assert (
        "Le réglage threads vaut 17\N{NO-BREAK SPACE}; valeurs permises\N{NO-BREAK SPACE}: 1…16."
        in capsys.readouterr().err
    )


def test_a_benchmark_without_repeats_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "-n", "0", *WITH_BUNDLE]) == 2
    assert "0 is not in the range x>=1" in capsys.readouterr().err


def completed(typed: str) -> list[str]:
    """What bash offers for the last word."""
    words = typed.split(" ")
    environment = {
        **os.environ,
        "_LOUPE_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(words) - 1),
    }
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'loupe'; from device.cli import main; main()"]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return ended.stdout.split()


def test_the_shell_completes_commands_flags_and_their_values() -> None:
    assert completed("loupe ") == ["plain,bench", "plain,commission", "plain,read", "plain,serve", "plain,verify"]
    assert completed("loupe read --um") == ["plain,--um-per-px"]
    assert completed("loupe read --language ") == ["plain,en", "plain,fr"]
    assert completed("loupe verify --max") == []
    assert completed("loupe read field") == ["file,field"]
    assert completed("loupe serve --bundle mod") == ["file,mod"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_each_shell(shell: str) -> None:
    command = [sys.executable, "-m", "device.cli"]
    environment = {**os.environ, "_LOUPE_COMPLETE": f"{shell}_source"}
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert f"_LOUPE_COMPLETE={shell}_complete" in ended.stdout


def test_help_and_completion_load_no_reader() -> None:
    code = "import sys, device.cli; device.cli.main(['read', '--help']); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0


def test_the_box_needs_nothing_of_training() -> None:
    code = (
        "import sys, device.cli, device.web.server, device.bench, device.documents.overlay\n"
        "sys.exit(any(m.split('.')[0] in ('training', 'tensorflow', 'scipy', 'sklearn') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
