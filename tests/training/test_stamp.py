"""Stamps: what made a figure is found from imports and files, and a figure that is out of date says so."""

from __future__ import annotations

import subprocess
from pathlib import Path

import grimp
import pytest
from msgspec import structs

from training import stamp as stamps
from training.data import Split
from training.distributed.fold import source_of_readings
from training.recipe import load_recipe
from training.stamp import changes, code_of, commit, inputs, keep_only, read_stamp, source, stale, stamp, write_table

# What makes the figures of cross-validation and of the studies.
MAKERS = (
    "training.distributed.fold",
    "training.evaluation.metrics",
    "training.packing.draft",
    "training.studies.explain.measure",
    "training.studies.ood.collect",
)


@pytest.mark.parametrize("maker", MAKERS)
def test_the_code_of_a_figure_is_all_that_its_module_imports(maker: str) -> None:
    """Another program that follows imports finds no module that is missing here."""
    graph = grimp.build_graph("device", "training", exclude_type_checking_imports=True)
    assert graph.find_upstream_modules(maker) | {maker} <= {*code_of([maker]), *stamps.WORDS}


def test_remarks_change_no_code_and_the_rest_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "ROOT", tmp_path)
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").touch()
    module = tmp_path / "training" / "alone.py"

    def code(text: str) -> str:
        module.write_text(text)
        stamps._module.cache_clear()
        return code_of(["training.alone"])["training.alone"]

    first = code('"""Says."""\nimport math\n\ndef area(r):\n    """Of a circle."""\n    return math.pi * r**2\n')
    assert (
        code('"""Says more."""\nimport math\n# why\ndef area(r):\n    """Of it."""\n\n    return math.pi * r**2\n')
        == first
    )
    assert (
        code('"""Says."""\nimport math\n\ndef area(r):\n    """Of a circle."""\n    return math.pi * r**3\n') != first
    )
    stamps._module.cache_clear()


def test_a_commit_is_dirty_where_code_was_changed_or_never_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "ROOT", tmp_path)

    def git(*words: str) -> None:
        person = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        subprocess.run(["git", *person, *words], cwd=tmp_path, check=True, capture_output=True)

    assert commit() == "unknown"
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "old.py").touch()
    git("init")
    git("add", ".")
    git("commit", "-m", "Start")
    clean = commit()
    assert len(clean) == 12
    (tmp_path / "notes.txt").touch()  # no code
    assert commit() == clean
    (tmp_path / "training" / "new.py").touch()
    assert commit() == f"{clean}-dirty"
    (tmp_path / "training" / "old.py").write_text("x = 1\n")
    assert commit() == f"{clean}-dirty"


def chain(folder: Path) -> tuple[Path, Path]:
    """A figure of a fold, and one of the whole cross-validation that rests on it."""
    fold, whole = folder / "0" / "readings", folder / "readings"
    write_table("| fold |", fold, source("`crossval`", ("training.gate.fit",), {"split": "1"}, epochs=3))
    write_table("| all |", whole, source("`crossval`", ("training.evaluation.metrics",), inputs(whole, fold)))
    return fold, whole


def test_a_figure_as_good_as_new_is_not_doubted(tmp_path: Path) -> None:
    fold, whole = chain(tmp_path)
    assert stale(whole) == []
    assert changes(fold, source("`crossval`", ("training.gate.fit",), {"split": "1"}, epochs=3)) == []
    found = read_stamp(whole)
    assert found is not None
    assert {"system", "processor", "cores"} == found.machine.keys()
    assert "training.evaluation.metrics" in found.source.code
    assert found.source.data == {"0/readings": stamps.file_sha256(fold)}


def test_a_figure_is_stale_where_code_data_or_libraries_differ_and_says_how_to_make_it_anew(tmp_path: Path) -> None:
    fold, whole = chain(tmp_path)
    found = read_stamp(fold)
    assert found is not None
    code = found.source.code | {"training.gate.fit": "other", "training.gate.magnification": "other"}
    libraries = found.source.libraries | {"numpy": "1.0"}
    stamp(fold, structs.replace(found.source, code=code, libraries=libraries))
    first, second = stale(whole)
    assert first.startswith(
        "0/readings is stale: the code of training.gate.fit, training.gate.magnification changed since."
    )
    assert first.endswith("To make it anew: `crossval`")
    assert "numpy was 1.0, now" in second
    fold.write_text("another reading")
    told = " ".join(stale(whole))
    assert "readings is stale: 0/readings changed since" in told
    assert "0/readings is stale: it isn't the file that was stamped" in told
    now = source("`crossval`", ("training.gate.fit",), {"split": "2"}, epochs=4)
    stamp(fold, found.source)
    assert changes(fold, now) == ["split changed since", "epochs was 3, now 4"]


def test_several_figures_that_are_stale_alike_are_told_in_one_sentence(tmp_path: Path) -> None:
    drafts = [tmp_path / fold / "draft" for fold in ("0", "1")]
    for draft in drafts:
        made_from = source("`crossval`", ("training.gate.fit",))
        write_table("|", draft, structs.replace(made_from, code=made_from.code | {"training.gate.fit": "other"}))
    (sentence,) = stale(*drafts)
    assert sentence.startswith("0/draft, 1/draft are stale: the code of training.gate.fit changed since.")


def test_a_figure_from_before_stamps_is_told_and_one_that_is_not_there_is_not(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    (sentence,) = stale(tmp_path / "report.json")
    assert "before there were stamps" in sentence
    assert stale(tmp_path / "nothing.json") == []


def test_numbers_that_other_code_kept_are_removed_and_nothing_else(tmp_path: Path) -> None:
    made_from = source("`ood`", ("training.gate.fit",), {"draft": "1"})
    keep_only(tmp_path, made_from, ["*.npz"])
    (tmp_path / "a.npz").touch()
    (tmp_path / "report.html").touch()
    keep_only(tmp_path, made_from, ["*.npz"])
    assert (tmp_path / "a.npz").is_file()
    keep_only(tmp_path, structs.replace(made_from, data={"draft": "2"}), ["*.npz"])
    assert not (tmp_path / "a.npz").exists()
    assert (tmp_path / "report.html").is_file()


def test_a_stamp_names_the_adapter_of_its_recipe_alone() -> None:
    """Adapters are found by name, so no import leads to them; and a new one makes no other set's figures stale."""
    recipe = load_recipe("bach")
    code = source_of_readings(recipe, Path("none"), Split({}), None).code
    named = {name for name in code if name.startswith("training.data.adapters.")}
    assert "training.data.adapters.bach" in named
    assert not {f"training.data.adapters.{other}" for other in ("busi", "cbis_ddsm", "folder")} & named
