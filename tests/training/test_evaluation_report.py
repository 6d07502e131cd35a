"""From pictures through the box's reader to table, report, card and results page, on the shipped synthetic samples."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec import UNSET, structs

from device.reading.bundle import Bundle
from device.reading.manifest import DataSource, Label, PartsRule, Words
from device.reading.reading import Reader
from tests.support.manifests import answering
from tests.support.shipped import SAMPLES
from training.cli import main
from training.data import CALIBRATION, LIMITS, TEST, TRAINING, Sample, Split
from training.data.pictures import UNOPENED
from training.errors import ReportError, SplitError, TableError
from training.evaluation.card import write_card
from training.evaluation.measure import evaluate_bundle, evaluate_readings
from training.evaluation.metrics import summary
from training.evaluation.report import Evaluation, load_report, render, report_document, write_report
from training.evaluation.results import range_of_new, write_results
from training.evaluation.table import columns, load_table, read_table, save_table
from training.recipe import Recipe, load_recipe

KINDS = ("texture", "phantom")


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("bach")


@pytest.fixture(scope="module")
def labels(recipe: Recipe) -> list[str]:
    return [label.id for label in recipe.labels]


@pytest.fixture(scope="module")
def samples(labels: Sequence[str]) -> list[Sample]:
    """A texture and a phantom of each class, as two patients."""
    return [Sample(f"{kind}-{label}.jpg", k, kind) for k, label in enumerate(labels) for kind in KINDS]


@pytest.fixture(scope="module")
def readings(reader: Reader, samples: list[Sample], labels: list[str]) -> pd.DataFrame:
    """Those pictures as two folds, each patient one, with the integer logits a little changed as float ones."""
    floats = np.zeros((len(samples), len(labels)))
    table = read_table(reader, SAMPLES, samples, labels, fold="", float_logits=floats)
    for label in labels:
        table[f"float_logit_{label}"] = table[f"logit_{label}"] + 0.01
    return table.assign(fold=table["group"])


@pytest.fixture(scope="module")
def document(recipe: Recipe, readings: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A report of a cross-validation with everything in it."""
    folder = tmp_path_factory.mktemp("crossval")
    save_table(readings, folder / "readings.parquet")
    for fold in KINDS:
        (folder / fold).mkdir()
        (folder / fold / "history.csv").write_text("epoch,accuracy,loss,val_accuracy\n0,0.5,1.2,NA\n1,0.7,0.9,0.6\n")
    (folder / "folds.json").write_text('{"texture": "", "phantom": "", "third": ""}')
    shifting = structs.replace(recipe, calibration=structs.replace(recipe.calibration, offsets=True))
    evaluation = evaluate_readings(shifting, folder / "readings.parquet")
    return report_document(replace(evaluation, before=readings, before_name="a baseline"))


def test_figures_may_be_of_some_folds_or_of_one_folders_pictures(
    recipe: Recipe, readings: pd.DataFrame, tmp_path: Path
) -> None:
    """They are calibrated as among all, and the report says which they are of."""
    save_table(readings, tmp_path / "readings.parquet")
    whole = evaluate_readings(recipe, tmp_path / "readings.parquet")
    part = evaluate_readings(recipe, tmp_path / "readings.parquet", "texture-", ["texture", "third"])
    assert part.table.equals(whole.table[whole.table["fold"] == "texture"])
    assert part.scheme.endswith(", of these pictures only those of texture-, of folds texture, third")
    with pytest.raises(TableError, match="no pictures, of these pictures only those of phantom-, of folds texture"):
        evaluate_readings(recipe, tmp_path / "readings.parquet", "phantom-", ["texture"])


def test_a_table_holds_what_the_box_says(reader: Reader, readings: pd.DataFrame, samples: list[Sample]) -> None:
    said = reader.read((SAMPLES / samples[0].file).read_bytes())
    row = readings.iloc[0]
    assert row[[f"logit_{label}" for label in reader.bundle.labels]].tolist() == said.maps.logits.tolist()
    assert row[[f"p_{label}" for label in reader.bundle.labels]].tolist() == said.probabilities.tolist()
    assert row["prediction"] == reader.bundle.labels[said.best]
    assert (row["width"], row["height"]) == (said.image.width, said.image.height)
    assert pd.isna(row["reason"]) == said.verdict.accepted


def test_a_part_of_a_picture_is_read_like_an_upload_of_it(reader: Reader, labels: list[str]) -> None:
    boxed = Sample("texture-benign.jpg", 1, "a", box=(0, 0, 320, 256))
    row = read_table(reader, SAMPLES, [boxed], labels).iloc[0]
    assert (row["box"], row["width"], row["height"]) == ("0,0,320,256", 320, 256)


def test_what_cannot_be_read_becomes_a_row(reader: Reader, labels: list[str], tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes((SAMPLES / "texture-benign.jpg").read_bytes()[:5000])
    (tmp_path / "empty.jpg").touch()
    found = [Sample("cut.jpg", 1, "a"), Sample("empty.jpg", 1, "a"), Sample("gone.jpg", -1, "b")]
    table = read_table(reader, tmp_path, found, labels, fold="0")
    assert table["error"].tolist() == ["image_truncated", "image_empty", UNOPENED]
    assert table["label"].isna().tolist() == [False, False, True]
    assert table["logit_benign"].isna().all()


def test_a_table_is_the_same_after_its_file(readings: pd.DataFrame, labels: list[str], tmp_path: Path) -> None:
    save_table(readings, tmp_path / "new" / "readings.parquet")
    again = load_table(tmp_path / "new" / "readings.parquet")
    pd.testing.assert_frame_equal(again, readings)
    assert list(again.columns) == columns(labels)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["readings.parquet"]


def test_a_file_that_is_no_table_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"no table")
    with pytest.raises(TableError, match=r"x\.parquet is not"):
        load_table(tmp_path / "x.parquet")
    with pytest.raises(TableError, match="there is no readings table"):
        load_table(tmp_path / "y.parquet")


class Page(HTMLParser):
    """What a page fetches, its ids, and its pictures' descriptions."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self.described: list[bool] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag == "svg":
            self.described.append(bool(dict(attrs).get("aria-label")))
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "data", "srcset", "action") and not (value or "").startswith("#"):
                self.fetched.append(value or "")


def test_the_page_stands_alone_and_its_figures_are_described(document: dict[str, Any]) -> None:
    html = render(document)
    page = Page(html)
    assert page.fetched == []
    assert not page.tags.keys() & {"script", "link", "img", "iframe"}
    assert "@import" not in html
    assert "url(http" not in html
    assert page.described == [True] * 4
    assert len(page.ids) == len(set(page.ids))
    assert "only 2 of 3 folds are read" in html
    assert "and the offsets Normal tissue" in html
    for heading in ("Before and after", "Each fold", "Each block", "float network", "The gate", "Training"):
        assert heading in html


def test_words_from_outside_are_text_in_the_page(document: dict[str, Any]) -> None:
    strange = "<script>alert(1)</script>"
    patients = [{**document["patients"][0], "patient": strange}]
    changed = {**document, "patients": patients, "recipe": {**document["recipe"], "title": strange}}
    assert Page(render(changed)).tags["script"] == 0


def test_a_report_of_one_class_without_folds_floats_or_history_can_be_shown(
    recipe: Recipe, readings: pd.DataFrame, labels: list[str]
) -> None:
    bare = readings[readings["label"] == "benign"].assign(fold="")
    bare[[f"float_logit_{label}" for label in labels]] = np.nan
    html = render(report_document(Evaluation(recipe, bare, "one split", "a table")))
    assert "Each fold" not in html
    assert "–" in html


def test_a_report_is_read_back_and_anything_else_is_refused(document: dict[str, Any], tmp_path: Path) -> None:
    assert write_report(document, tmp_path, "`loupe-train evaluate bach`").name == "report.html"
    assert load_report(tmp_path) == document
    (tmp_path / "report.json").write_text('{"schema": "other"}')
    with pytest.raises(ReportError, match="schema other"):
        load_report(tmp_path)
    with pytest.raises(ReportError, match="evaluate RECIPE"):
        load_report(tmp_path / "nothing")


def test_a_bundle_is_only_tested_on_the_split_it_was_made_with(
    bundle: Bundle, recipe: Recipe, samples: list[Sample]
) -> None:
    split = Split({TRAINING: [], CALIBRATION: [], TEST: samples})

    def made_with(split: Split) -> Reader:
        provenance = structs.replace(bundle.manifest.provenance, split={"rule": "", "sha256": split.sha256})
        return Reader(replace(bundle, manifest=structs.replace(bundle.manifest, provenance=provenance)), LIMITS)

    ours = made_with(split)
    evaluation = evaluate_bundle(ours, recipe, SAMPLES, split=split)
    assert report_document(evaluation)["summary"]["n"] == len(samples)
    with pytest.raises(SplitError, match="may have been trained"):
        evaluate_bundle(Reader(bundle, LIMITS), recipe, SAMPLES, split=split)
    everything = Split({TRAINING: samples, CALIBRATION: [], TEST: []})
    with pytest.raises(SplitError, match="none to test"):
        evaluate_bundle(made_with(everything), recipe, SAMPLES, split=everything)


def test_commands_write_the_report_and_the_results_page(
    readings: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = tmp_path / "readings.parquet", tmp_path / "out"
    save_table(readings, table)
    assert main(["evaluate", "bach", "--readings", str(table), "--before", str(table), "--out", str(out)]) == 0
    assert "Balanced accuracy" in capsys.readouterr().out
    told = json.loads((out / "report.json").read_text())
    assert told["before"]["figures"]["accuracy"]["change"]["value"] == 0
    assert main(["results", str(out), "--out", str(tmp_path / "results.md")]) == 0
    page = (tmp_path / "results.md").read_text()
    assert "winner of the ICIAR 2018 challenge" in page
    assert str(tmp_path) not in page
    assert "stale" not in page
    save_table(readings.iloc[:-1], table)  # the report doesn't know of it
    assert main(["results", str(out), "--out", str(tmp_path / "results.md")]) == 0
    page = (tmp_path / "results.md").read_text()
    assert "**report.json is stale: ../readings.parquet changed since. To make it anew: `loupe-train evaluate" in page
    assert str(tmp_path) not in page
    assert main(["evaluate", "bach", "--readings", str(tmp_path / "gone.parquet")]) == 1
    assert "there is no readings table" in capsys.readouterr().err


def test_the_results_page_lists_each_fold_and_patient(document: dict[str, Any]) -> None:
    page = write_results([document])
    assert "| phantom | 4 |" in page  # its fold: four pictures
    assert "| texture | 2 |" not in page
    assert page.count("mean ± standard deviation") == 1
    rows = [line.count("|") for line in page.splitlines() if line.startswith("| ")]
    assert min(rows) > 3
    accuracies = np.array([row["accuracy"] for row in document["patients"]])
    low, high = range_of_new(accuracies, 2)
    assert f"may lie anywhere from {100 * low:.1f} % to {100 * high:.1f} %" in page


def test_a_results_page_keeps_what_is_not_written_anew(document: dict[str, Any]) -> None:
    other = {**document, "recipe": {**document["recipe"], "id": "other"}}
    both = write_results([document, other], ["## detectors\n\na table"])
    assert write_results([document], before=both) == both
    changed = {**document, "created": "2031-01-01"}
    page = write_results([changed], before=both)
    assert page == both.replace(document["created"], "2031-01-01", 1)


def test_the_results_page_says_what_answers_promise(document: dict[str, Any]) -> None:
    page = write_results([document])
    assert "Classes of concern: Carcinoma in situ, Invasive carcinoma. Promised with 90.0 % confidence" in page
    assert "| Carcinoma in situ | at least 100.0 % | 2 |" in page  # of two units only: never left out
    assert "What answers promise" in render(document)
    older = {name: part for name, part in document.items() if name != "sets"}
    assert "prediction sets" not in write_results([older])


@pytest.mark.parametrize("crossval", [True, False])
def test_the_card_says_what_was_measured_and_names_no_patient(
    bundle: Bundle, readings: pd.DataFrame, labels: list[str], crossval: bool
) -> None:
    told = summary(readings if crossval else readings.assign(fold=""), labels)
    data = DataSource(name="A set of mammograms", source="a hospital", terms="none")
    manifest = structs.replace(
        answering(bundle, ["insitu"]).manifest,
        title=Words(en="Mammogram windows", fr="…"),
        labels=tuple(Label(label, Words(label, label)) for label in labels),
        metrics={"scheme": "scheme in words", **told},
        provenance=structs.replace(bundle.manifest.provenance, data=data),
        parts=UNSET,
    )
    card = write_card(manifest)
    assert "Classes of concern: insitu" in card
    assert "pictures of a class of concern,\n4 got an answer without any" in card
    assert "gives no caution about a part of a field" in card
    rule = PartsRule("leading_region", 0.4, alpha=0.1339, confidence=0.9, n=16, unit="block", pictures=160, cautions=2)
    cautious = write_card(structs.replace(manifest, parts=rule))
    assert "13.4 % of pictures of new blocks without such a class get it" in cautious
    assert "Scheme in words" in card
    assert "8 pictures of 2 groups" in card
    assert ("standard deviation of the 2 folds" in card) == crossval
    assert not any(word in card for word in ("texture", "phantom", "None", "nan", "H&E", "microscope"))
    assert json.loads(json.dumps(told)) == told
