"""The command line of `loupe-train`: what can't be meant is refused by name, help and completion answer at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import click
import pytest

from tests.support.shipped import ROOT
from training.cli import loupe_train, main
from training.commands.group import SECTIONS, module_of
from training.commands.options import typed_command
from training.recipe import shipped_recipes


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("fit bach --epochs -1", "'--epochs': -1 is not in the range x>=0."),
        ("crossval bach --epochs 2.5", "'--epochs': '2.5' is not a valid integer range."),
        ("crossval bach --workers 0", "'--workers': 0 is not in the range x>=1."),
        ("trials bach file.toml --random none", "'--random': 'none' is not a valid integer range."),
        ("score folder --batch 0", "'--batch': 0 is not in the range x>=1."),
        ("faithful bach --pictures -5", "'--pictures': -5 is not in the range x>=1."),
        ("faithful bach --score-cam -1", "'--score-cam': -1 is not in the range x>=0."),
        ("faithful bach --windows many", "'--windows': 'many' is not a valid integer range."),
        ("routing --most 0", "'--most': 0 is not in the range x>=1."),
        ("drift bach --orders 0", "'--orders': 0 is not in the range x>=1."),
        ("sections idc --steps 0", "'--steps': 0.0 is not in the range 1<=x<=16."),
        ("sections idc --steps nan", "'--steps': nan is not in the range 1<=x<=16."),
        ("dissect a.loupe phantoms --units 0", "'--units': 0 is not in the range x>=1."),
        ("dissect a.loupe phantoms --quantile 1", "'--quantile': 1.0 is not in the range 0.001<=x<=0.999."),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused_by_name(
    given: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(given.split()) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "Usage: loupe-train"),
        ("frobnicate", "No such command 'frobnicate'"),
        ("fit", "Missing argument 'RECIPE'"),
        ("fit bach --epoch 3", "No such option '--epoch'"),
        ("trials bach", "Missing option '--set'"),
        ("results", "Missing argument 'DIR...'"),
        ("evaluate idc --only idc_more", "--only and --folds choose among --readings"),
        ("crossval bach --folds", "Option '--folds' requires an argument"),
        ("data check mine --adapter bach --recipe bach", "--adapter and --recipe exclude each other"),
    ],
)
def test_misuse_is_named(given: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given.split()) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "given", ["crossval bach --folds 0 3 --epochs 2", "crossval --folds 0 --folds 3 --epochs 2 bach"]
)
def test_a_list_may_follow_its_flag_or_repeat_it(given: str) -> None:
    crossval = loupe_train.get_command(click.Context(loupe_train), "crossval")
    assert crossval
    taken = crossval.make_context("crossval", given.split()[1:]).params
    assert (taken["recipe_name"], taken["folds"], taken["epochs"]) == ("bach", ("0", "3"), 2)


def test_a_figure_keeps_the_command_that_makes_it_and_nobodys_folder() -> None:
    for typed in (
        "dissect a.loupe phantoms --out /home/ada --units 3",
        "dissect a.loupe phantoms --out=/home/ada --units 3",
    ):
        with click.Context(loupe_train, obj=typed.split()):
            assert typed_command(without="--out") == "loupe-train dissect a.loupe phantoms --units 3"


def test_an_interruption_says_that_the_same_command_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.commands.options.load_recipe", interrupted)
    assert main(["fit", "bach"]) == 130
    assert "The same command goes on" in capsys.readouterr().err


def test_every_command_is_in_one_section_of_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [name for commands in SECTIONS.values() for name in commands]
    assert len(names) == len(set(names))
    for section, commands in SECTIONS.items():
        assert f"{section}:" in lines
        for name in commands:
            assert any(line.startswith(f"  {name} ") for line in lines), name
    listed = {module_of(name) for name in names}
    for path in (ROOT / "training/commands").rglob("*.py"):
        if "\ncommand = " in path.read_text() or "def command(" in path.read_text():
            assert ".".join(path.relative_to(ROOT).with_suffix("").parts) in listed, path


@pytest.mark.parametrize("name", [name for commands in SECTIONS.values() for name in commands])
def test_every_command_teaches_by_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    examples = [name] if name != "data" else ["data check", "data split", "data draw"]
    for words in examples:
        assert main([*words.split(), "--help"]) == 0
        assert f"  loupe-train {words} " in capsys.readouterr().out + " "


def run_python(*words: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_help_imports_nothing_heavy() -> None:
    """Of the packages that take a second and more, none is imported for any command's help."""
    heavy = ("tensorflow", "keras", "pandas", "sklearn", "scipy", "distributed", "matplotlib")
    program = f"""
import sys
from training.cli import main
from training.commands.group import SECTIONS
for name in (name for names in SECTIONS.values() for name in names):
    main([name, "--help"])
sys.exit(any(name in sys.modules for name in {heavy}))
"""
    run_python("-c", program)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_flags_and_recipes(shell: str) -> None:
    def completed(*words: str, incomplete: str = "") -> set[str]:
        typed = " ".join(("loupe-train", *words, incomplete))
        asked = {
            "_LOUPE_TRAIN_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(words) + 1) if shell != "fish" else incomplete,
        }
        return set(re.split(r"[\n,\t]", run_python("-c", "from training.cli import main; main()", **asked)))

    assert {"fit", "crossval", "ood"} <= completed()
    assert "depth-probe" in completed(incomplete="dep")
    assert "--everything" in completed("fit", incomplete="--ev")
    assert set(shipped_recipes()) <= completed("fit")
    script = run_python("-c", "from training.cli import main; main()", _LOUPE_TRAIN_COMPLETE=f"{shell}_source")
    assert "loupe-train" in script
