"""The habits of the house: hooks before a commit, forms for issues, and what CONTRIBUTING.md says of both."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.shipped import ROOT

HOOKS = ROOT / ".pre-commit-config.yaml"
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def hooks() -> list[dict[str, Any]]:
    (repository,) = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))["repos"]
    assert repository["repo"] == "local", "a hook from elsewhere needs the internet"
    return list(repository["hooks"])


def test_the_hooks_are_as_pre_commit_wants_them() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(HOOKS)]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_each_hook_is_a_part_of_make_lint() -> None:
    lint = MAKEFILE.split("\nlint:")[1].split("\n\n")[0]
    for hook in hooks():
        assert hook["language"] == "system", "no hook installs anything"
        command = hook["entry"].replace(".venv/bin/", "").removesuffix(" --force-exclude")
        assert command in lint, hook["id"]


def test_hooks_find_what_they_check() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for hook in hooks():
        if "files" in hook:
            assert any(re.search(hook["files"], file) for file in listed), hook["id"]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_each_form_for_an_issue_asks_for_nothing_of_a_patient(form: Path) -> None:
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= content.keys()
    first = content["body"][0]
    assert first["type"] == "markdown"
    assert re.search(r"nothing of a patient|no picture", first["attributes"]["value"])
    for field in content["body"][1:]:
        assert field["id"]
        assert field["attributes"]["label"]


def test_the_commands_of_contributing_are_targets_of_make() -> None:
    named = set(re.findall(r"(?:`|^    )make ([a-z-]+)", CONTRIBUTING, re.MULTILINE))
    assert len(named) > 5
    assert {target for target in named if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)} == set()


def test_the_paths_of_contributing_are_there() -> None:
    paths = re.findall(r"`((?:device|training|tools|tests|provisioning|locks)/[\w./-]*)`", CONTRIBUTING)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []
