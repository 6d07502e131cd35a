"""Which files of a data folder are pictures, what is passed over, and what is said of files that can't be read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from training.cli import main
from training.data import default_labels, list_samples
from training.data.files import Files, folder_words, list_files, passed_over_words
from training.errors import DataError

RECIPE = """
id = "own"
version = "1.0.0"
title = { en = "Own", fr = "Le nôtre" }
modality = "histology"
labels = [{ id = "ill", name = { en = "Ill", fr = "Malade" } }, { id = "well", name = { en = "Well", fr = "Sain" } }]
[data]
adapter = "folder"
name = "own"
source = "here"
terms = "ours"
um_per_px = 1.0
area_px = 9216
[fit]
epochs = 1
batch = 2
square_px = [96]
"""
PER_CLASS = 6


def draw(path: Path, seed: int, file_format: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
    PIL.Image.fromarray(noise).resize((96, 96)).save(path, file_format)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Two classes of six pictures."""
    for number in range(2 * PER_CLASS):
        draw(tmp_path / "own" / ("ill", "well")[number % 2] / f"{number}.png", number)
    return tmp_path / "own"


def listed(folder: Path) -> tuple[list[str], list[str]]:
    """Files and notes of the adapter `folder`."""
    notes: list[str] = []
    samples = list_samples("folder", folder, default_labels("folder", folder), {}, notes.append)
    return [sample.file for sample in samples], notes


def test_what_systems_and_programs_leave_beside_pictures_is_passed_over_and_counted(own: Path) -> None:
    before, _ = listed(own)
    for file in (
        "ill/._0.png",
        "ill/.DS_Store",
        "well/.ipynb_checkpoints/1-checkpoint.png",
        "__MACOSX/ill/._0.png",
        "well/__macosx/1.png",
        "@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg",
        "ill/Thumbs.db",
        "well/DESKTOP.INI",
    ):
        (own / file).parent.mkdir(parents=True, exist_ok=True)
        (own / file).write_bytes(b"\0\5\x16\7")
    files, notes = listed(own)
    assert files == before
    assert default_labels("folder", own) == ("ill", "well")
    (told,) = (note for note in notes if note.startswith("Passed over"))
    for counted in ("2 hidden files", "1 hidden folder", "1 folder __MACOSX", "1 folder @eaDir", "1 Thumbs.db"):
        assert counted in told


def test_suffixes_of_pictures_in_any_case_are_read_and_all_others_counted(own: Path) -> None:
    for name in ("a.jfif", "b.jpe", "c.JPG", "d.JPEG"):
        draw(own / "ill" / name, hash(name) % 1000, "JPEG")
    for name in ("e.tif", "f.TIFF"):
        draw(own / "ill" / name, len(name), "TIFF")
    for name in ("g.gif", "h.GIF", "noext", "i.mp4", "notes v. 2 of the lab"):
        (own / "well" / name).write_bytes(b"x")
    files, notes = listed(own)
    assert len(files) == 2 * PER_CLASS + 6
    assert notes[-1] == "Passed over, as no pictures: 2 .gif, 2 files without a suffix, 1 .mp4."


def test_a_folder_named_like_a_picture_is_a_folder_and_a_link_that_leads_nowhere_an_unreadable_picture(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "ill/folder.jpg").mkdir()
    draw(own / "well/inside.png/x.png", 99)
    for name, target in (("dead.jpg", "/nonexistent/x.jpg"), ("round.png", "round.png")):
        (own / "ill" / name).symlink_to(target)
    os.mkfifo(own / "ill/pipe.png")
    assert main(["data", "check", str(own), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out.replace("\n", " ")
    assert "Files that can't be read: 2" in told
    assert "ill/dead.jpg: It can't be opened: No such file" in told
    assert "ill/round.png: It can't be opened" in told
    assert "2 folders named like a picture" in told
    assert "1 device or pipe" in told
    page = (tmp_path / "out/check.html").read_text()
    assert "ill/dead.jpg" in page
    assert "well/inside.png/x.png" in listed(own)[0]


def test_links_to_folders_are_followed_once_and_never_round_in_circles(own: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    (own / "ill").rename(outside)
    (own / "ill").symlink_to(outside)
    (own / "well/up").symlink_to(own)
    files, notes = listed(own)
    assert len(files) == 2 * PER_CLASS
    assert "1 second link to a folder" in notes[-1]


def test_a_folder_or_a_name_that_cannot_be_used_is_named(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.fsencode(own) + b"/ill/caf\xe9.png", "wb") as file:  # noqa: PTH123 - a name that is no text
        file.write(b"x")
    with pytest.raises(DataError, match=r"caf\\xe9\.png.*rename"):
        list_files(own)
    Path(os.fsdecode(os.fsencode(own) + b"/ill/caf\xe9.png")).unlink()
    scandir = os.scandir

    def locked(folder: Path) -> object:
        if Path(folder).name == "well":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(DataError, match=r"own/well can't be opened \(Permission denied\)"):
        list_files(own)


@pytest.mark.parametrize("command", ["data split", "fit", "crossval"])
def test_files_that_cannot_be_read_are_named_before_any_network_is_loaded(
    own: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import training.fitting.fit

    monkeypatch.setattr(training.fitting.fit, "fit", lambda *_, **__: pytest.fail("the network was loaded"))
    monkeypatch.chdir(tmp_path)
    Path("own.toml").write_text(RECIPE)
    (own / "ill/empty.jpg").touch()
    (own / "well/page.jpg").write_text("<html>404</html>")
    (own / "well/cut.png").write_bytes((own / "ill/0.png").read_bytes()[:500])
    (own / "ill/gone.tif").symlink_to("/nonexistent")
    (own / "ill/doubled.png").write_bytes(b"\0\5\x16\7" + bytes(100))  # AppleDouble, renamed
    assert (
        main([*command.split(), "own.toml", "--data", "own", *([] if "split" in command else ["--epochs", "0"])]) == 1
    )
    told = capsys.readouterr().err
    assert f"5 of {2 * PER_CLASS + 5} picture files can't be read" in told
    for name in ("ill/empty.jpg", "well/page.jpg", "well/cut.png", "ill/gone.tif", "ill/doubled.png"):
        assert f"own/{name}" in told
    assert "loupe-train data check own" in told


def test_a_layout_that_is_not_recognised_names_what_is_there_and_what_would_be_read(tmp_path: Path) -> None:
    for number in range(3):
        draw(tmp_path / "Photos/Train/Cancer" / f"c{number}.png", number)
    (tmp_path / "docs").mkdir()
    with pytest.raises(DataError) as error:
        list_samples("bach", tmp_path, ("normal", "benign", "insitu", "invasive"), {})
    for words in (
        "normal, benign, insitu, invasive",
        "Photos/Train/Cancer (3 pictures)",
        "docs (no pictures)",
        "Photos/{Normal,Benign,InSitu,Invasive}",
        "another adapter (bach, breakhis",
    ):
        assert words in str(error.value)
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "a.gif").touch()
    with pytest.raises(DataError, match=r"neither folders nor pictures.*1 \.gif"):
        default_labels("folder", empty)
    many = Files(tuple(f"{n}/x.png" for n in range(20)), (), tuple(map(str, range(20))), {})
    assert folder_words(many).endswith(" and 12 more")
    assert not passed_over_words(many)
