"""`docs/researchers/index.md` is walked as a new researcher would: each command, from drawn pictures to a reading.

The commands and the lines to fill in are taken from the page, so that page and programs can't part. Only the model is
smaller than a real one, because the drawn pictures are.
"""

from __future__ import annotations

import json
import re
import shlex
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from device.cli import main as box
from device.reading.bundle import Bundle
from tests.support.serving import serving
from tests.support.shipped import ROOT
from training.cli import main as train

PAGE = (ROOT / "docs/researchers/index.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## From your own pictures to a box that reads them")[1].split("\n## ")[0]
COMMANDS = [line.strip() for line in SECTION.splitlines() if re.match(r"    (\.venv/bin/|curl )", line)]
TO_SAY = re.search(r"```toml\n(.*?)```", SECTION, re.DOTALL)
PROGRAMS: dict[str, Callable[[list[str]], int]] = {".venv/bin/loupe-train": train, ".venv/bin/loupe": box}


def fill_in(recipe: Path) -> None:
    """What a person does in an editor: write each line of the page in place of the one under the same heading."""
    text, heading = recipe.read_text(encoding="utf-8"), 0
    assert TO_SAY
    for line in filter(None, TO_SAY[1].splitlines()):
        if line.startswith("["):
            heading = text.index(f"\n{line}\n")
            continue
        there = re.compile(rf"^(# )?{line.split(' = ')[0]} = .*$", re.MULTILINE).search(text, heading)
        assert there, line
        text = text[: there.start()] + line + text[there.end() :]
    recipe.write_text(text, encoding="utf-8")


def run(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command of the page tells, on both streams; it must end well."""
    program, *arguments = shlex.split(command)
    status = PROGRAMS[program](arguments)
    told = capsys.readouterr()
    assert status == 0, (command, told.err)
    return told.out + told.err


def test_every_step_of_the_page_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("training.packing.signing.PRIVATE_KEYS", tmp_path / "home")
    words = {command.split()[1]: command for command in COMMANDS}
    assert [command.split()[1] for command in COMMANDS] == [
        "data", "data", "recipe", "data", "fit", "pack", "evaluate", "verify", "serve", "-F",
    ]  # fmt: skip
    drawing, checking, drafting, splitting = COMMANDS[:4]
    # Each step names the next one.
    assert "Next: loupe-train data check mine" in run(drawing, capsys)
    assert "Next: loupe-train recipe mine" in run(checking, capsys)
    told = run(drafting, capsys)
    assert "answer.concern" in told
    assert "Next: loupe-train data split mine.toml --data mine" in told
    # A draft that nobody has filled in can be fitted, and not packed.
    assert "note: mine.toml: data.source is empty" in run(splitting, capsys)
    assert train(shlex.split(words["pack"])[1:]) == 1
    assert "data.source is empty" in capsys.readouterr().err
    fill_in(Path("mine.toml"))
    told = run(splitting, capsys)
    assert "note:" not in told  # nothing is left to doubt, the size of a pixel included
    assert "Next: loupe-train fit mine.toml --data mine --split split.json" in told
    # Asked too early, the next steps say which one is missing.
    for early, missing in (("evaluate", "loupe-train pack mine.toml"), ("pack", "loupe-train fit` with this recipe")):
        assert train(shlex.split(words[early])[1:]) == 1
        assert missing in capsys.readouterr().err
    assert "Next: loupe-train pack mine.toml --data mine" in run(words["fit"], capsys)
    told = run(words["pack"], capsys)
    assert f"the public half of the signing key is there already: {Path('models/keys/ada.pub')}" in told
    assert "Fields drawn by a program. Source: loupe-train data draw. Terms: no patient's tissue is in them" in told
    assert "Next: loupe verify --bundle models/mine.loupe --keys models/keys" in told
    assert "report: runs/mine/report.html" in run(words["evaluate"], capsys)
    assert "signature by ada" in run(words["verify"], capsys)
    bundle = Bundle.open(Path("models/mine.loupe"), Path("models/keys"))
    assert bundle.manifest.preprocessing.um_per_px == pytest.approx(1.59, abs=0.01)
    asked = shlex.split(words["-F"])
    picture, path = Path(asked[2].partition("@")[2]), asked[3].partition("8001")[2]
    with serving(tmp_path / "log", Path("models/mine.loupe"), Path("models/keys")) as url:
        request = urllib.request.Request(url + path, picture.read_bytes(), {"Content-Type": "image/jpeg"})
        with urllib.request.urlopen(request) as answer:
            reading = json.load(answer)
    assert reading["model"]["id"] == "mine"
    assert reading["model"]["signer"] == "ada"
    assert reading["prediction"]["label"] == "invasive"
