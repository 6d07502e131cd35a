"""Network dissection: its figures against their definitions, its patches, and the atlas that the box opens."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from msgspec import structs
from sklearn.metrics import roc_auc_score

from device.base.errors import AtlasInvalid, AtlasOfOtherModel
from device.reading.atlas import Atlas, open_atlas
from device.reading.bundle import Bundle
from device.reading.reading import Reader
from tests.support.shipped import BUNDLE, KEYS, MODELS
from training.cli import main
from training.data.adapters.idc import TILE_PX, TILES
from training.data.adapters.mini_mias import FILMS, circle_mask
from training.data.sample import MOSAIC, Sample
from training.dissect.atlas import Origin, make_atlas, ranked, write_atlas
from training.dissect.page import write_page
from training.dissect.patches import choose, cut, cut_patches, strongest
from training.dissect.subjects import (
    Seen,
    Subjects,
    _lesion_mask,
    _tile_masks,
    phantom_subjects,
)
from training.dissect.survey import MIN_EACH, Survey, auroc, selectivity, survey, threshold_of
from training.errors import DissectError

QUANTILE = 0.98


@pytest.fixture(scope="module")
def subjects(bundle: Bundle) -> Subjects:
    """A phantom of each kind, drawn once."""
    drawn = phantom_subjects(bundle, 4)
    pictures: list[Seen] = [drawn.load(index) for index in range(len(drawn))]
    return replace(drawn, load=pictures.__getitem__)


@pytest.fixture(scope="module")
def measured(reader: Reader, subjects: Subjects) -> Survey:
    return survey(reader, subjects, QUANTILE)


@pytest.fixture(scope="module")
def atlas(reader: Reader, subjects: Subjects, measured: Survey) -> Atlas:
    units = ranked(measured)[:3]
    patches = cut_patches(reader, subjects, measured, units, 2)
    return make_atlas(reader, subjects, measured, patches, Origin("a test", QUANTILE))


@pytest.fixture
def file(atlas: Atlas, tmp_path: Path) -> Path:
    path = tmp_path / "bach.atlas"
    write_atlas(atlas, path)
    return path


def features(reader: Reader, subjects: Subjects) -> list[np.ndarray]:
    return [reader.read(subjects.load(i).data).outputs["features"] for i in range(len(subjects))]


def test_overlap_is_that_of_pixels_when_cells_are_enlarged(
    reader: Reader, subjects: Subjects, measured: Survey
) -> None:
    grids = features(reader, subjects)
    concept = subjects.concepts.index("nuclei")
    for unit in ranked(measured)[:3]:
        both = either = 0
        for index, grid in enumerate(grids):
            mask = subjects.load(index).masks["nuclei"]
            height, width = mask.shape[0] // grid.shape[0], mask.shape[1] // grid.shape[1]
            active = np.kron(grid[..., unit] >= measured.thresholds[unit], np.ones((height, width), bool))
            both += (active & mask).sum()
            either += (active | mask).sum()
        assert measured.overlap[unit, concept] == pytest.approx(both / either, rel=1e-6)


def test_the_quantile_is_exact_over_all_cells(reader: Reader, subjects: Subjects, measured: Survey) -> None:
    cells = np.concatenate([grid.reshape(-1, grid.shape[-1]) for grid in features(reader, subjects)])
    shares = (cells >= measured.thresholds).mean(0)
    reached = cells.max(0) == measured.thresholds  # where even the greatest activation is common, it is the threshold
    assert ((shares <= 1 - QUANTILE + 1e-12) | reached).all()
    below = (cells >= measured.thresholds - 1).mean(0)
    assert (below > 1 - QUANTILE).all()


def test_inside_and_selectivity_are_aurocs() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 5, (60, 3)).astype(np.float32)
    positive = rng.random(60) < 0.4
    for column, found in enumerate(auroc(scores, positive)):
        assert found == pytest.approx(roc_auc_score(positive, scores[:, column]))


def test_threshold_of_a_histogram_that_has_one_bar() -> None:
    histogram = np.zeros((1, 256), np.int64)
    histogram[0, 7] = 10
    assert threshold_of(histogram, 0.995)[0] == 7


def test_a_unit_that_only_knows_the_patient_tells_no_class_within_patients() -> None:
    each = MIN_EACH
    # Patient a has mostly class 1 and a high level of unit 0; b the reverse. Unit 1 follows the class itself.
    labels = np.array([1] * 3 * each + [0] * each + [1] * each + [0] * 3 * each)
    groups = np.array(["a"] * 4 * each + ["b"] * 4 * each)
    rng = np.random.default_rng(1)
    level = (groups == "a") * 10.0 + rng.permutation(len(labels)) * 1e-3
    means = np.stack([level, labels + rng.normal(0, 0.1, len(labels))], 1).astype(np.float32)
    found = selectivity(means, labels, groups, 2)
    assert auroc(means, labels == 1)[0] > 0.7
    assert found[0, 1] == pytest.approx(0.5, abs=0.1)
    assert found[1, 1] > 0.99


def test_patches_come_from_different_pictures_and_first_from_different_groups(measured: Survey) -> None:
    groups = ("one", "one", "one", "two")
    unit = ranked(measured)[0]
    rows = choose(measured, groups, unit, 3)
    peaks = measured.peaks[rows, unit].astype(int)
    assert len(set(rows)) == len(rows) == 3
    assert (np.diff(peaks) <= 0).all()
    assert {groups[row] for row in rows} == {"one", "two"}


def test_a_patch_is_lit_where_its_unit_is_active() -> None:
    pixels = np.full((128, 128, 3), 200, np.uint8)
    steps = np.full((4, 4), -128, np.int8)
    steps[1, 2] = 100
    patch = np.asarray(PIL.Image.open(io.BytesIO(cut(pixels, steps, 50))), float)
    assert patch.shape == (96, 96, 3)
    assert patch[48, 48].mean() == pytest.approx(200, abs=4)
    assert patch[4, 4].mean() == pytest.approx(70, abs=4)


def test_among_equal_cells_the_one_with_strong_neighbours_is_shown() -> None:
    steps = np.full((5, 6), -128, np.int8)
    steps[0, 0] = steps[3, 4] = 127
    steps[3, 3] = 50
    assert strongest(steps) == (3, 4)


def test_masks_of_tiles_and_circles_lie_where_the_set_says() -> None:
    tiles = Sample("p/0/a.png", 0, "p", extra={MOSAIC: "p/0/a.png|p/1/b.png\n|p/1/c.png"})
    masks, valid = _tile_masks(tiles, TILES)
    assert valid is not None
    assert masks["carcinoma_tiles"][::TILE_PX, ::TILE_PX].tolist() == [[False, True], [False, True]]
    assert valid[::TILE_PX, ::TILE_PX].tolist() == [[True, True], [False, True]]
    window = Sample("mdb001.jpg", 1, "pair001", box=(500, 400, 700, 600))
    circle = _lesion_mask(window, FILMS, {"mdb001": circle_mask(600, 450, 20)})
    rows, columns = np.nonzero(circle)
    assert (rows.mean(), columns.mean()) == (50, 100)


def test_an_atlas_opens_beside_its_bundle(file: Path, atlas: Atlas, bundle: Bundle) -> None:
    opened = open_atlas(file, bundle)
    assert opened is not None
    assert opened.index == atlas.index
    assert opened.patches == atlas.patches
    assert opened.index.patches.synthetic
    assert open_atlas(file.with_name("none.atlas"), bundle) is None


def test_an_atlas_of_another_model_is_refused(file: Path) -> None:
    other = Bundle.open(MODELS / "idc.loupe", KEYS)
    with pytest.raises(AtlasOfOtherModel) as refused:
        open_atlas(file, other)
    assert str(refused.value.facts["made_for"]).startswith("bach ")


def test_a_damaged_atlas_is_refused_by_name(file: Path, atlas: Atlas, bundle: Bundle) -> None:
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"PK\x03\x04" + bytes(100)):
        file.write_bytes(damaged)
        with pytest.raises(AtlasInvalid):
            open_atlas(file, bundle)
    first = next(iter(atlas.patches))
    for patches in (
        {name: patch for name, patch in atlas.patches.items() if name != first},
        {**atlas.patches, "../evil.jpg": b"\xff\xd8\xff"},
        {**atlas.patches, first: b"<script>"},
    ):
        write_atlas(Atlas(atlas.index, patches), file)
        with pytest.raises(AtlasInvalid):
            open_atlas(file, bundle)
    write_atlas(Atlas(structs.replace(atlas.index, schema="loupe-atlas/2"), atlas.patches), file)
    with pytest.raises(AtlasInvalid, match="schema"):
        open_atlas(file, bundle)


def test_an_atlas_says_nothing_of_the_files_that_it_was_made_from(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        assert all(name == "atlas.json" or name.split("-")[0].isdigit() for name in archive.namelist())
        assert "phantom 0" not in archive.read("atlas.json").decode()


def test_figures_of_one_atlas_and_patches_of_another(
    reader: Reader, subjects: Subjects, measured: Survey, atlas: Atlas
) -> None:
    units = [int(unit) for unit in atlas.index.units][:2]
    figures = structs.replace(atlas.index.figures, data=structs.replace(atlas.index.figures.data, name="real tissue"))
    real = Atlas(structs.replace(atlas.index, figures=figures), atlas.patches)
    patches = cut_patches(reader, subjects, measured, units, 1)
    made = make_atlas(reader, subjects, measured, patches, Origin("a test", QUANTILE), real).index
    assert made.figures.data.name == "real tissue"
    assert made.patches.name == subjects.name
    assert [len(entry.patches) for entry in made.units.values()] == [1, 1]
    assert made.units[str(units[0])].selectivity == real.index.units[str(units[0])].selectivity
    assert 0 < made.figures.covered < real.index.figures.covered


def test_the_command_writes_the_page_and_the_atlas(
    subjects: Subjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.dissect.subjects.phantom_subjects", lambda *_: subjects)
    command = ["dissect", str(BUNDLE), "phantoms", "--keys", str(KEYS), "--units", "3", "--patches", "1"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    assert "1280 units on 4 pictures" in capsys.readouterr().out
    assert (tmp_path / "units.html").is_file()
    again = ["--out", str(tmp_path / "again"), "--figures", str(tmp_path / "bach.atlas")]
    assert main([*command, *again]) == 0
    assert main([*command, "--figures", str(tmp_path / "none.atlas")]) == 1
    assert "there is no atlas" in capsys.readouterr().err


def test_the_page_fetches_nothing(reader: Reader, atlas: Atlas, tmp_path: Path) -> None:
    html = write_page(reader, atlas, None, tmp_path).read_text(encoding="utf-8")
    assert "http" not in html.replace("http-equiv", "")
    assert html.count("data:image/jpeg;base64,") == len(atlas.patches)


def test_no_phantoms_stand_for_ultrasound() -> None:
    with pytest.raises(DissectError, match="name a folder"):
        phantom_subjects(Bundle.open(MODELS / "busi.loupe", KEYS), 4)
