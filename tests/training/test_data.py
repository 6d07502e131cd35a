"""Adapters: what each finds in a folder, how it groups, and what it says of a folder that isn't as it should be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from msgspec import structs

from device.reading.image import decode
from tests.support.drawn_dicom import MAMMOGRAPHY, dicom
from tests.support.shipped import SHARED_DATA
from training.data import (
    LIMITS,
    Sample,
    default_labels,
    find_samples,
    list_samples,
    load_pixels,
    make_folds,
    picture_bytes,
    possible_labels,
)
from training.data.adapters import busi
from training.data.adapters.idc import TILES
from training.data.sample import SET, UNKNOWN
from training.data.sections import section_pixels, sections
from training.errors import DataError, PicturesUnreadable
from training.recipe import load_recipe


def draw(path: Path, size: tuple[int, int] = (96, 96), seed: int = 0, mode: str = "RGB") -> None:
    """A picture of coarse noise: structure that survives JPEG, and that no other seed has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
    PIL.Image.fromarray(noise).resize(size, PIL.Image.Resampling.BICUBIC).convert(mode).save(path)


def listed(adapter: str, folder: Path, labels: tuple[str, ...] = (), **options: str) -> tuple[list[Sample], list[str]]:
    """What an adapter finds, and what it noted."""
    notes: list[str] = []
    return list_samples(adapter, folder, labels or default_labels(adapter, folder), options, notes.append), notes


def touch(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


# --- what all adapters say no to -----------------------------------------------------------------------------------


def test_what_is_missing_or_unknown_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "normal/n001.jpg", "benign/b001.jpg", "invasive/iv001.jpg")
    for adapter, folder, options, named in (
        ("bach", tmp_path, {}, "insitu"),
        ("bach", tmp_path / "absent", {}, "absent"),
        ("bach", tmp_path, {"blocks": "10"}, "blocks"),
        ("bach", tmp_path, {"block": "ten"}, "ten"),
        ("breakhis", tmp_path, {"target": "type"}, "subtype"),
        ("kaggle", tmp_path, {}, "mini_mias"),
        ("mini_mias", tmp_path, {}, "Info.txt"),
        ("cbis_ddsm", tmp_path, {}, "case_description"),
    ):
        with pytest.raises(DataError, match=named):
            listed(adapter, folder, ("normal", "benign", "insitu", "invasive"), **options)


# --- BACH ------------------------------------------------------------------------------------------------------------


def test_bach_keeps_blocks_of_consecutive_numbers_together(tmp_path: Path) -> None:
    for label in ("normal", "benign", "insitu", "invasive"):
        touch(tmp_path, *(f"{label}/x{number:03}.jpg" for number in (0, 9, 10, 99)), f"{label}/notes.txt")
    touch(tmp_path, "normal/overview.jpg")
    samples, notes = listed("bach", tmp_path)
    assert [sample.group for sample in samples if sample.label == 2] == ["0", "0", "10", "90"]
    assert notes == [
        "normal/overview.jpg is left out: its name doesn't end in a number",
        "Passed over, as no pictures: 4 .txt.",
    ]


def test_bach_knows_the_scale_of_reduced_copies(tmp_path: Path) -> None:
    for label in ("normal", "benign", "insitu", "invasive"):
        draw(tmp_path / label / "x001.jpg", (768, 576))
    assert listed("bach", tmp_path)[0][0].um_per_px == 1.12  # 0.42 µm/px at 2048 px


# --- IDC -------------------------------------------------------------------------------------------------------------


def tile(folder: Path, patient: str, label: int, x: int, y: int, size: tuple[int, int] = (50, 50)) -> None:
    draw(folder / patient / str(label) / f"{patient}_idx5_x{x}_y{y}_class{label}.png", size, seed=x * 7 + y)


def test_idc_sections_are_put_together_from_their_tiles(tmp_path: Path) -> None:
    tile(tmp_path, "100", 0, 1, 101)
    tile(tmp_path, "100", 1, 101, 101)
    tile(tmp_path, "100", 0, 51, 151)
    tile(tmp_path, "200", 1, 901, 51)
    samples, _ = listed("idc", tmp_path)
    first, second = sections(samples, TILES)
    assert (first.patient, second.patient) == ("100", "200")
    assert first.labels.tolist() == [[0, -1, 1], [-1, 0, -1]]
    pixels = section_pixels(tmp_path, first, samples)
    assert pixels.shape == (100, 150, 3)
    expected = decode((tmp_path / "100/1/100_idx5_x101_y101_class1.png").read_bytes(), LIMITS).pixels
    np.testing.assert_array_equal(pixels[:50, 100:], expected)
    assert (pixels[50:, :50] == 255).all()


def test_idc_leaves_out_clipped_tiles_and_names_that_contradict_their_folder(tmp_path: Path) -> None:
    tile(tmp_path, "100", 0, 1, 1)
    tile(tmp_path, "100", 1, 51, 1)
    tile(tmp_path, "100", 1, 101, 1, (12, 50))
    draw(tmp_path / "100/1/100_idx5_x151_y1_class0.png")
    samples, notes = listed("idc", tmp_path)
    assert [sample.extra["x"] for sample in samples] == [1, 51]
    assert len(notes) == 2
    assert "x101_y1_class1.png is left out: clipped by the section's edge" in notes[0]
    assert "x151_y1_class0" in notes[1]


def test_an_idc_tile_amid_its_neighbours_is_that_part_of_the_section(tmp_path: Path) -> None:
    for number, (x, y) in enumerate([(0, 0), (50, 0), (50, 50), (100, 50)]):
        label = int(x == 50 and y == 0)
        draw(tmp_path / f"8/{label}/8_idx5_x{x}_y{y}_class{label}.png", (50, 50), seed=number)
    samples, _ = listed("idc", tmp_path, context="1")
    (section,) = sections(samples, TILES)
    whole = np.full((4 * 50, 5 * 50, 3), 255, np.uint8)  # the section with a margin of one tile
    lone, _ = listed("idc", tmp_path)
    whole[50:150, 50:200] = section_pixels(tmp_path, section, lone)
    for sample in samples:
        left, top = int(sample.extra["x"]), int(sample.extra["y"])
        seen = decode(picture_bytes(tmp_path, sample), LIMITS).pixels
        assert np.array_equal(seen, whole[top : top + 150, left : left + 150])
        assert (sample.label, sample.group) == (int((left, top) == (50, 0)), "8")
    assert len({sample.group for sample in listed("idc", tmp_path, group="tile")[0]}) == 4


def test_idc_takes_tiles_of_several_folders_some_of_which_are_read_alone(tmp_path: Path) -> None:
    """A patient's tiles in two folders are one patient's; a tile in both is taken once; windows show tiles of both."""
    for folder, label, x in (("idc", 0, 1), ("idc", 1, 51), ("more", 1, 51), ("more", 0, 101), ("other", 1, 151)):
        tile(tmp_path / folder, "7", label, x, 1)
    samples, _ = listed("idc", tmp_path, folders="idc more", lone="more", context="1")
    assert [(sample.file.split("/")[0], sample.extra["x"]) for sample in samples] == [
        ("idc", 1),
        ("more", 101),
        ("idc", 51),
    ]
    assert {sample.group for sample in samples} == {"7"}
    sizes = [decode(picture_bytes(tmp_path, sample), LIMITS).pixels.shape[:2] for sample in samples]
    assert sizes == [(150, 150), (50, 50), (150, 150)]
    assert "more/7/0" in str(samples[2].extra)
    with pytest.raises(DataError, match="names elsewhere"):
        listed("idc", tmp_path, folders="idc elsewhere")


def test_idc_takes_at_most_so_many_tiles_of_a_patient_and_class_evenly_spread(tmp_path: Path) -> None:
    for x in range(1, 501, 50):
        tile(tmp_path, "7", int(x > 400), x, 1)
    samples, _ = listed("idc", tmp_path, most="4", context="1")
    assert {sample.extra["x"] for sample in samples} == {1, 101, 201, 301, 401, 451}
    assert all("x151" in str(sample.extra) for sample in samples if sample.extra["x"] in (101, 201))


def test_samples_that_are_no_grid_are_no_section(tmp_path: Path) -> None:
    tile(tmp_path, "100", 0, 1, 1)
    tile(tmp_path, "100", 1, 30, 1)
    with pytest.raises(DataError, match="one grid"):
        sections(listed("idc", tmp_path)[0], TILES)
    with pytest.raises(DataError, match="no place"):
        sections([Sample("a.png", 0, "a")], TILES)


# --- BreakHis --------------------------------------------------------------------------------------------------------

ARCHIVE = "BreaKHis_v1/histology_slides/breast"
FIELDS = (
    f"{ARCHIVE}/benign/SOB/adenosis/SOB_B_A_14-22549AB/100X/SOB_B_A-14-22549AB-100-001.png",
    f"{ARCHIVE}/benign/SOB/adenosis/SOB_B_A_14-22549CD/400X/SOB_B_A-14-22549CD-400-002.png",
    f"{ARCHIVE}/malignant/SOB/lobular_carcinoma/SOB_M_LC_14-13412/100X/SOB_M_LC-14-13412-100-001.png",
    "malignant/DC/14-13412/100X/SOB_M_DC-14-13412-100-003.jpg",
)


def test_breakhis_reads_both_layouts_and_groups_by_patient(tmp_path: Path) -> None:
    touch(tmp_path, *FIELDS, "benign/A/SOB_B_A-nonsense.png", "README.txt")
    samples, notes = listed("breakhis", tmp_path, magnification="all")
    assert {sample.file: sample.label for sample in samples} == dict(zip(FIELDS, (0, 0, 1, 1), strict=True))
    # Two slides of one patient, and one patient under two subtypes.
    assert {sample.group for sample in samples} == {"14-22549", "14-13412"}
    assert len(notes) == 2
    assert "nonsense" in notes[0]
    assert notes[1] == "Passed over, as no pictures: 1 .txt."
    samples, notes = listed("breakhis", tmp_path)
    assert len(samples) == 3  # 100X unless asked otherwise
    assert any("400-002.png is left out: not of magnification 100X" in note for note in notes)
    assert len(listed("breakhis", tmp_path, magnification="100X, 400X")[0]) == 4
    with pytest.raises(DataError, match=r"magnification = '50X' must be all, or some of 40X, 100X"):
        listed("breakhis", tmp_path, magnification="100X,50X")


def test_breakhis_knows_the_scale_of_reduced_copies(tmp_path: Path) -> None:
    """A field is 588 µm wide at 100X and 294 µm at 200X, however many pixels show it."""
    for name, size in (("100-001", (700, 460)), ("200-i001", (350, 230))):
        draw(tmp_path / f"SOB_B_A-14-22549AB-{name}.png", size)
        draw(tmp_path / f"SOB_M_DC-14-2523-{name}.png", size)
    samples, _ = listed("breakhis", tmp_path, magnification="all")
    assert [sample.um_per_px for sample in samples] == 4 * [0.84]


# --- pooled ----------------------------------------------------------------------------------------------------------


def test_pooled_sets_share_labels_as_far_as_theirs_say(tmp_path: Path) -> None:
    for label in ("normal", "benign", "insitu", "invasive"):
        draw(tmp_path / "bach" / label / "x001.jpg", (768, 576))
    for number in range(6):
        draw(tmp_path / f"breakhis/SOB_M_DC-14-2523-100-00{number}.png", (700, 460))
    draw(tmp_path / "breakhis_200x/SOB_B_A-14-22549AB-200-i001.png", (341, 224))
    draw(tmp_path / "busi/benign/x001.png")
    samples, notes = listed("pooled", tmp_path)
    assert [(sample.label, sample.group, possible_labels(sample)) for sample in samples if "bach" not in sample.file] == [
        (UNKNOWN, "breakhis-14-2523", (2, 3)), (UNKNOWN, "breakhis-14-2523", (2, 3)), (UNKNOWN, "breakhis-14-2523", (2, 3)),
        (1, "breakhis-14-22549", (1,)),
    ]  # fmt: skip
    assert [sample.group for sample in samples if "bach" in sample.file] == 4 * ["bach-0"]
    assert any("its patient has 4 fields of this magnification already" in note for note in notes)
    assert len(listed("pooled", tmp_path, sets="bach")[0]) == 4
    pooled = load_recipe("pooled")
    one_scale = {pixels.shape[:2] for pixels in load_pixels(tmp_path, samples, pooled.data)}
    assert one_scale == {(384, 512), (224, 352), (128, 160)}  # BACH, BreakHis at 100× and at 200×
    unsaid = replace(samples[0], um_per_px=None)
    with pytest.raises(DataError, match=r"the size of its pixels isn't known, which data\.brought_to"):
        load_pixels(tmp_path, [unsaid], pooled.data)
    coarse = replace(samples[0], um_per_px=8.0)
    with pytest.raises(DataError, match="larger than a field"):
        load_pixels(tmp_path, [replace(coarse, um_per_px=3.0)], pooled.data)
    with pytest.raises(PicturesUnreadable):
        load_pixels(tmp_path, [coarse], pooled.data)


@pytest.mark.shared_data
def test_a_pooled_set_has_the_folds_that_each_has_alone() -> None:
    pooled, bach = load_recipe("pooled"), load_recipe("bach")
    for whole, part in zip(
        make_folds(find_samples(pooled, SHARED_DATA), pooled.split),
        make_folds(find_samples(bach, SHARED_DATA / "bach"), bach.split),
        strict=True,
    ):
        assert {s.file for s in whole.test if s.extra[SET] == "bach"} == {f"bach/{s.file}" for s in part.test}
        assert {s.extra[SET] for s in whole.test} == {"bach", "breakhis"}


def test_breakhis_by_subtype_in_the_recipes_order(tmp_path: Path) -> None:
    touch(tmp_path, *FIELDS)
    samples, _ = listed("breakhis", tmp_path, ("LC", "DC"), target="subtype")
    assert [(sample.label, sample.extra["subtype"]) for sample in samples] == [(0, "LC"), (1, "DC")]
    with pytest.raises(DataError, match="class MC"):
        listed("breakhis", tmp_path, ("LC", "DC", "MC"), target="subtype")


# --- mammograms ------------------------------------------------------------------------------------------------------


def film(path: Path, size: tuple[int, int] = (1024, 1024), breast: float = 1.0) -> None:
    """A grey film whose left share is breast."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size[1], size[0]), np.uint8)
    pixels[:, : round(size[0] * breast)] = 120
    PIL.Image.fromarray(pixels).save(path)


def test_mini_mias_lesions_count_from_the_bottom(tmp_path: Path) -> None:
    film(tmp_path / "mdb001.png")
    film(tmp_path / "mdb003.png")
    # 964 from the bottom is 60 from the top: held by the first two windows of the topmost row.
    (tmp_path / "Info.txt").write_text("mdb001 G CIRC B 200 964 20\nmdb003 D NORM \n")
    samples, notes = listed("mini_mias", tmp_path)
    assert len(samples) == 2 * 49
    assert {sample.box for sample in samples if sample.label == 1} == {(0, 0, 256, 256), (128, 0, 384, 256)}
    assert {sample.group for sample in samples} == {"pair001", "pair002"}
    shown = next(sample for sample in samples if sample.label == 1)
    assert shown.extra["severity"] == "benign"
    assert shown.extra["tissue"] == "G"
    assert not notes


def test_a_window_is_positive_from_thirty_per_cent_of_a_lesion_or_of_itself(tmp_path: Path) -> None:
    film(tmp_path / "mdb001.png")
    film(tmp_path / "mdb003.png")
    # A circle of 300 px covers several windows wholly, though each shows less than 30 % of it.
    (tmp_path / "Info.txt").write_text("mdb001 G CIRC M 512 512 300\nmdb003 D NORM \n")
    samples, _ = listed("mini_mias", tmp_path)
    centre = next(sample for sample in samples if sample.box == (384, 384, 640, 640) and sample.file == "mdb001.png")
    assert 256**2 / (np.pi * 300**2) < 0.3
    assert (centre.label, centre.extra["overlap"]) == (1, 1.0)
    by_severity, _ = listed("mini_mias", tmp_path, ("normal", "malignant"))
    assert [sample.label for sample in by_severity] == [sample.label for sample in samples]


def test_windows_without_breast_are_dropped(tmp_path: Path) -> None:
    film(tmp_path / "mdb001.png", breast=0.5)
    film(tmp_path / "mdb003.png", breast=0.5)
    (tmp_path / "Info.txt").write_text("mdb001 G CIRC B 128 512 60\nmdb003 D NORM \n")
    samples, _ = listed("mini_mias", tmp_path)
    assert len(samples) == 2 * 4 * 7  # of seven columns of windows, the fourth is half breast
    assert min(float(sample.extra["breast"]) for sample in samples) == 0.5
    everything, _ = listed("mini_mias", tmp_path, breast="0")
    assert len(everything) == 2 * 49


def test_films_without_a_place_for_their_abnormality_are_left_out_and_told(tmp_path: Path) -> None:
    for number in (1, 3, 5, 7):
        film(tmp_path / f"mdb{number:03}.png")
    (tmp_path / "Info.txt").write_text(
        "mdb001 G CIRC B 128 900 60\nmdb003 D NORM \nmdb005 F CALC M *NOTE 3*\nmdb009 F NORM \n"
    )
    samples, notes = listed("mini_mias", tmp_path)
    assert {sample.file for sample in samples} == {"mdb001.png", "mdb003.png"}
    assert [note.split()[0] for note in notes] == ["1", "mdb005.png", "mdb007.png"]
    film(tmp_path / "mdb003.png", (512, 512))
    with pytest.raises(DataError, match="512"):
        listed("mini_mias", tmp_path)
    (tmp_path / "mdb003.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="mdb003"):
        listed("mini_mias", tmp_path)


def test_a_window_is_cut_out_without_loss(tmp_path: Path) -> None:
    draw(tmp_path / "mdb001.pgm", (1024, 1024), mode="L")
    sample = Sample("mdb001.pgm", 0, "pair001", box=(128, 256, 384, 512))
    pixels = decode(picture_bytes(tmp_path, sample), LIMITS).pixels
    with PIL.Image.open(tmp_path / "mdb001.pgm") as picture:
        np.testing.assert_array_equal(pixels[..., 1], np.asarray(picture)[256:512, 128:384])
    small = structs.replace(load_recipe("mammogram").data, area_px=64 * 64)
    assert load_pixels(tmp_path, [sample], small)[0].shape == (64, 64, 3)


DDSM_HEAD = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,assessment,pathology,"
    "subtlety,image file path,cropped image file path,ROI mask file path"
)


def ddsm_row(patient: str, kind: str, pathology: str, mask: str, crop: str) -> str:
    image = f"{kind.title()}-Training_{patient}_LEFT_CC/1/2/000000.dcm"
    return f'{patient},3,LEFT,CC,1,{kind},4,{pathology},4,{image},"{crop}\n",{mask}'


@pytest.fixture
def ddsm(tmp_path: Path) -> Path:
    """Two films in the archive's layout: one has a malignant mass, a benign calcification, and an exchanged mask path."""
    size = (800, 1600)
    for patient, kind in (("P_00001", "Mass"), ("P_00001", "Calc"), ("P_00002", "Mass")):
        film(tmp_path / f"{kind}-Training_{patient}_LEFT_CC/1/2/000000.png", size)
    for name, corner in (("mass1", (0, 0)), ("calc1", (600, 1200)), ("mass2", (300, 800))):
        mask = np.zeros((size[1], size[0]), np.uint8)
        mask[corner[1] : corner[1] + 200, corner[0] : corner[0] + 100] = 255
        (tmp_path / name).mkdir()
        PIL.Image.fromarray(mask).save(tmp_path / name / "000001.png")
        draw(tmp_path / name / "000000.png", (100, 200), mode="L")
    mass = [
        ddsm_row("P_00001", "mass", "MALIGNANT", "mass1/000000.dcm", "mass1/000001.dcm"),
        ddsm_row("P_00002", "mass", "BENIGN_WITHOUT_CALLBACK", "mass2/000001.dcm", "mass2/000000.dcm"),
    ]
    calc = [ddsm_row("P_00001", "calc", "BENIGN", "calc1/000001.dcm", "calc1/000000.dcm")]
    for name, rows in (("mass", mass), ("calc", calc)):
        (tmp_path / f"{name}_case_description_train_set.csv").write_text("\n".join([DDSM_HEAD, *rows]) + "\n")
    return tmp_path


def test_cbis_ddsm_takes_lesions_from_masks_of_all_tables(ddsm: Path) -> None:
    samples, notes = listed("ddsm", ddsm, ("normal", "benign", "malignant"))
    assert not notes
    assert len(samples) == 2 * 49
    by_label = {label: [s for s in samples if s.label == label] for label in (0, 1, 2)}
    # The mass of 100 × 200 px in the corner lies in one window whole, and in none other to 30 %.
    assert {(s.group, s.box) for s in by_label[2]} == {("P_00001", (0, 0, 200, 400))}
    # The same film's calcification is in the other table, with a path of its own: no window on it is called normal.
    assert ("P_00001", (600, 1200, 800, 1600)) in {(s.group, s.box) for s in by_label[1]}
    assert {s.file for s in samples if s.group == "P_00001"} == {"Calc-Training_P_00001_LEFT_CC/1/2/000000.png"}
    assert {s.extra["abnormality"] for s in by_label[2]} == {"mass"}


def test_cbis_ddsm_names_what_is_wrong_with_its_tables_and_films(ddsm: Path) -> None:
    (ddsm / "Mass-Training_P_00002_LEFT_CC/1/2/000000.png").unlink()
    _, notes = listed("cbis_ddsm", ddsm)
    assert len(notes) == 2
    assert "P_00002 LEFT CC" in notes[0]
    assert notes[1].startswith("2 other pictures left out, the first mass2/000000.png")
    table = ddsm / "mass_case_description_train_set.csv"
    text = table.read_text()
    table.write_text(text.replace("MALIGNANT", "UNSURE"))
    with pytest.raises(DataError, match="UNSURE"):
        listed("cbis_ddsm", ddsm)
    table.write_text(text.replace("ROI mask file path", "mask"))
    with pytest.raises(DataError, match="ROI mask file path"):
        listed("cbis_ddsm", ddsm)


# --- BUSI and folders --------------------------------------------------------------------------------------------------


def test_busi_joins_copies_and_leaves_masks_out(tmp_path: Path) -> None:
    for number, label in enumerate(("normal", "benign", "malignant")):
        draw(tmp_path / label / f"{label} (1).png", seed=number)
        draw(tmp_path / label / f"{label} (1)_mask.png")
        draw(tmp_path / label / f"{label} (2).png", seed=10 + number)
    with PIL.Image.open(tmp_path / "benign/benign (2).png") as picture:
        picture.save(tmp_path / "malignant/malignant (3).jpg", quality=60)
    samples, notes = listed("busi", tmp_path)
    assert len(samples) == 7
    groups = {sample.file: sample.group for sample in samples}
    assert groups["malignant/malignant (3).jpg"] == groups["benign/benign (2).png"]
    assert len(set(groups.values())) == 6
    assert notes[0].startswith("1 pictures")
    assert len({sample.group for sample in listed("busi", tmp_path, copies="keep")[0]}) == 7


def mask(path: Path, box: tuple[int, int, int, int], size: tuple[int, int] = (96, 96)) -> None:
    """A mask that is white within (left, top, right, bottom)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size[1], size[0]), np.uint8)
    pixels[box[1] : box[3], box[0] : box[2]] = 255
    PIL.Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("masks", ["busi/benign", "busi_masks/benign"])
def test_busi_lesions_lie_beside_the_pictures_or_in_a_folder_of_masks(tmp_path: Path, masks: str) -> None:
    for name in ("benign (1).png", "benign (11).png", "benign (3).png"):
        draw(tmp_path / "busi/benign" / name)
    mask(tmp_path / masks / "benign (1)_mask.png", (0, 0, 10, 20))
    mask(tmp_path / masks / "benign (1)_mask_1.png", (90, 90, 96, 96))
    mask(tmp_path / masks / "benign (11)_mask.png", (0, 0, 0, 0))
    found = busi.lesion(tmp_path / "busi", "benign/benign (1).png")
    assert found is not None
    assert found.shape == (96, 96)
    assert found[:20, :10].all()
    assert found.sum() == 200 + 36  # that of picture 11 is another's
    assert busi.lesion(tmp_path / "busi", "benign/benign (11).png") is None  # there is none in it
    assert busi.lesion(tmp_path / "busi", "benign/benign (3).png") is None
    mask(tmp_path / masks / "benign (3)_mask.png", (0, 0, 9, 9), size=(48, 48))
    with pytest.raises(DataError, match="48 × 48 px, its picture 96 × 96"):
        busi.lesion(tmp_path / "busi", "benign/benign (3).png")
    (tmp_path / masks / "benign (3)_mask.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"mask of .*benign \(3\)\.png can't be read"):
        busi.lesion(tmp_path / "busi", "benign/benign (3).png")


def test_ultrasound_of_other_laboratories_keeps_what_is_of_one_case_together(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "buscot/benign/000029@0.jpg",
        "buscot/benign/000029@1.jpg",
        "buscot/malignant/000080@0.jpg",
        "usg/benign/10013.jpg",
        "usg/malignant/barrdistorted_1001_0.3_0.3_10045.jpg",
        "usg/malignant/10045.jpg",
        "usg/malignant/scan.jpg",
        "third/benign/10013.jpg",
    )
    samples, notes = listed("ultrasound_other", tmp_path)
    assert [sample.group for sample in samples] == [
        "buscot-000029", "buscot-000029", "usg-10013", "buscot-000080", "usg-10045", "usg-10045"
    ]  # fmt: skip
    assert notes == [
        "third/benign/10013.jpg is left out: it lies in no folder buscot or usg",
        "usg/malignant/scan.jpg is left out: its name has no number as those of usg have",
    ]
    assert {sample.extra["laboratory"] for sample in listed("ultrasound_other", tmp_path, laboratory="usg")[0]} == {
        "usg"
    }
    with pytest.raises(DataError, match="laboratory = 'third'"):
        listed("ultrasound_other", tmp_path, laboratory="third")


def test_pcam_joins_tiles_that_are_copies(tmp_path: Path) -> None:
    for number, label in enumerate(("normal", "tumour")):
        for seed in (1, 2):
            draw(tmp_path / label / f"patch{seed}.jpg", seed=10 * number + seed)
    with PIL.Image.open(tmp_path / "tumour/patch2.jpg") as picture:
        picture.save(tmp_path / "tumour/patch3.jpg", quality=60)
    samples, notes = listed("pcam", tmp_path)
    assert [sample.label for sample in samples] == [0, 0, 1, 1, 1]
    assert len({sample.group for sample in samples}) == 4
    assert samples[0].um_per_px == 0.97
    assert notes[0].startswith("1 tiles are copies")


def test_cesm_knows_the_film_by_its_name_and_groups_by_patient(tmp_path: Path) -> None:
    touch(tmp_path, "P51_R_DM_CC.jpg", "deep/mirrored_P51_R_DM_MLO.jpg", "P105_L_CM_MLO.jpg", "Annotations.jpg")
    samples, notes = listed("cesm", tmp_path)
    assert [(s.label, s.group, s.extra["view"], s.extra["mirrored"]) for s in samples] == [
        (0, "P51", "CC", "no"),
        (0, "P51", "MLO", "yes"),
        (1, "P105", "MLO", "no"),
    ]
    assert notes == ["Annotations.jpg is left out: expected a name like P105_R_CM_MLO"]
    assert len(listed("cesm", tmp_path, ("subtracted",))[0]) == 1


@pytest.fixture
def own(tmp_path: Path) -> Path:
    touch(tmp_path, "well/a.png", "well/deep/b.png", "ill/c.JPG", "ill/notes.txt")
    return tmp_path


def test_own_folders_are_classes_and_a_table_gives_groups(own: Path) -> None:
    samples, notes = listed("folder", own, um_per_px="0.5")
    assert [(s.file, s.label, s.group) for s in samples] == [
        ("ill/c.JPG", 0, "ill/c.JPG"),
        ("well/a.png", 1, "well/a.png"),
        ("well/deep/b.png", 1, "well/deep/b.png"),
    ]
    assert samples[0].um_per_px == 0.5
    assert "a patient of its own" in notes[0]
    (own / "groups.csv").write_text("\ufefffile,group\nwell/a.png,p1\nwell/deep/b.png,p1\nill/c.JPG,p2\n")
    samples, notes = listed("folder", own, ("well", "ill"))
    assert [(s.label, s.group) for s in samples] == [(0, "p1"), (0, "p1"), (1, "p2")]
    assert notes == ["Passed over, as no pictures: 1 .txt."]


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("file,group\nwell/a.png,p1\nwell/x.png,p1\n", r"names well/x.png \(line 3\)"),
        ("file,group\nwell/a.png,p1\nill/c.JPG,p2\n", "misses 1 pictures, the first well/deep/b.png"),
        ("file,group\nwell/a.png,p1\nwell/a.png,p2\n", "twice"),
        ("file,group\nwell/a.png,\n", "no group"),
        ("file,patient\nwell/a.png,p1\n", "no column group"),
    ],
)
def test_a_table_of_groups_that_does_not_fit_is_refused(own: Path, table: str, named: str) -> None:
    (own / "groups.csv").write_text(table)
    with pytest.raises(DataError, match=named):
        listed("folder", own)


# --- layouts as published ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "Photos", "ICIAR2018_BACH_Challenge/Photos"])
@pytest.mark.parametrize(
    "names", [("Normal", "Benign", "InSitu", "Invasive"), ("NORMAL", "benign", "in situ", "In_vasive")]
)
def test_bach_is_read_as_published(tmp_path: Path, below: str, names: tuple[str, ...]) -> None:
    for index, (name, letters) in enumerate(zip(names, ("n", "b", "is", "iv"), strict=True)):
        for number in (1, 2):
            draw(tmp_path / below / name / f"{letters}{number:03}.tif", (96, 72), seed=10 * index + number)
    (tmp_path / below / "microscopy_ground_truth.csv").write_text("n001,Normal\n")
    touch(tmp_path, "ICIAR2018_BACH_Challenge/WSI/A01.svs", "ICIAR2018_BACH_Challenge/WSI/gt_thumbnails/A01.png")
    (tmp_path / below / names[0] / "Thumbs.db").touch()
    samples, notes = listed("bach", tmp_path)
    assert [sample.label for sample in samples] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert {sample.um_per_px for sample in samples} == {8.96}
    assert load_pixels(tmp_path, samples[:1], None)[0].shape == (72, 96, 3)
    assert notes[0].startswith("1 other picture left out, the first ICIAR2018_BACH_Challenge/WSI/gt_thumbnails/A01.png")
    assert notes[1] == "Passed over, as no pictures: 1 .csv, 1 .svs, 1 Thumbs.db."


def test_breakhis_as_kaggle_has_it_and_with_folders_of_folds(tmp_path: Path) -> None:
    """Neither `benign` nor a magnification among the folders; a folder for each fold, so that fields are there twice."""
    touch(
        tmp_path,
        "BreaKHis 400X/train/benign/SOB_B_A-14-22549AB-400-001.png",
        "BreaKHis 400X/test/malignant/SOB_M_DC-14-2523-400-007.png",
        "Folds.csv",
    )
    samples, notes = listed("breakhis", tmp_path, magnification="400X")
    assert [(sample.label, sample.group) for sample in samples] == [(0, "14-22549"), (1, "14-2523")]
    assert notes == ["Passed over, as no pictures: 1 .csv."]
    for fold in range(1, 4):
        for side, field in (("train", FIELDS[0]), ("test", FIELDS[2])):
            touch(tmp_path / "folds", f"fold{fold}/{side}/100X/{Path(field).name}")
    samples, notes = listed("breakhis", tmp_path / "folds")
    assert [sample.file.split("/")[0] for sample in samples] == ["fold1", "fold1"]
    assert notes == ["4 files are left out, the first fold2/test/100X/SOB_M_LC-14-13412-100-001.png: a picture of the same "
                     "name was taken already"]  # fmt: skip


def test_busi_as_published_has_masks_beside_its_pictures(tmp_path: Path) -> None:
    for number, label in enumerate(("benign", "malignant", "normal")):
        draw(tmp_path / "Dataset_BUSI_with_GT" / label / f"{label} (1).png", seed=number)
        for mask in ("_mask", "_mask_1", "_mask_2", "_MASK"):
            draw(tmp_path / "Dataset_BUSI_with_GT" / label / f"{label} (1){mask}.png")
    samples, notes = listed("busi", tmp_path)
    assert [sample.label for sample in samples] == [0, 1, 2]
    assert len(notes) == 1
    assert notes[0].startswith("12 files are left out")
    assert notes[0].endswith("a lesion's mask")


def test_idc_as_kaggle_has_it_holds_every_tile_twice(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "IDC_regular_ps50_idx5"):
        tile(folder, "100", 0, 1, 1)
        tile(folder, "100", 1, 51, 1)
    tile(tmp_path / "IDC_regular_ps50_idx5", "200", 1, 1, 1)
    samples, notes = listed("idc", tmp_path, context="1")
    assert [(sample.group, sample.file.count("/")) for sample in samples] == [("100", 2), ("100", 2), ("200", 3)]
    assert len(sections(samples, TILES)) == 2
    assert load_pixels(tmp_path, samples, None)[0].shape == (150, 150, 3)
    assert notes[0].startswith("2 files are left out, the first IDC_regular_ps50_idx5/100/0")


def test_mini_mias_as_published_lies_in_a_folder_as_pgm(tmp_path: Path) -> None:
    for number in (1, 3):
        film(tmp_path / f"all-mias/mdb{number:03}.pgm")
    (tmp_path / "all-mias/Info.txt").write_text("mdb001 G CIRC B 200 964 20\nmdb003 D NORM \n")
    samples, notes = listed("mini_mias", tmp_path)
    assert {sample.file for sample in samples} == {"all-mias/mdb001.pgm", "all-mias/mdb003.pgm"}
    assert not notes


SERIES = "1.3.6.1.4.1.9590.100.1.2.3422"


@pytest.mark.parametrize("layout", ["kaggle", "archive's program", "archive's program, DICOM"])
def test_cbis_ddsm_in_other_layouts_is_found_by_its_series_or_its_case(tmp_path: Path, layout: str) -> None:
    """Kaggle: JPEGs in a folder a series. The archive's own program: folders with dates, `1-1`, in a folder a case."""
    size, rows = (800, 1600), []
    for number, pathology in ((1, "MALIGNANT"), (2, "BENIGN")):
        case = f"Mass-Training_P_0000{number}_LEFT_CC"
        film_of, mask_of, crop_of = (f"{SERIES}{number}{kind}" for kind in (1, 2, 3))
        if layout == "kaggle":
            folders = [tmp_path / "jpeg" / series for series in (film_of, mask_of, mask_of)]
        else:
            folders = [tmp_path / "CBIS-DDSM" / f"{case}{end}/07-20-2016-DDSM/1.0-images" for end in ("", "_1", "_1")]
        film(folders[0] / "1-1.jpg", size)
        draw(folders[1] / "1-1.jpg", (100, 200), mode="L")
        mask = np.zeros((size[1], size[0]), np.uint8)
        mask[:200, :100] = 255
        PIL.Image.fromarray(mask).save(folders[1] / "1-2.jpg", quality=95)
        listed_as = [f"{case}/1/{film_of}/0.dcm", f"{case}_1/1/{crop_of}/0.dcm", f"{case}_1/1/{mask_of}/1.dcm"]
        rows.append(f"P_0000{number},3,LEFT,CC,1,mass,4,{pathology},4,{','.join(listed_as)}")
    if "DICOM" in layout:
        for file in list(tmp_path.rglob("*.jpg")):
            with PIL.Image.open(file) as picture:
                file.with_suffix(".dcm").write_bytes(dicom(np.asarray(picture.convert("L")), kind=MAMMOGRAPHY))
            file.unlink()
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv/mass_case_description_train_set.csv").write_text("\n".join([DDSM_HEAD, *rows]) + "\n")
    (tmp_path / "csv/dicom_info.csv").write_text("file_path\n")
    samples, notes = listed("cbis_ddsm", tmp_path, ("normal", "benign", "malignant"))
    assert len(samples) == 2 * 49
    assert {(s.group, s.box) for s in samples if s.label == 2} == {("P_00001", (0, 0, 200, 400))}
    assert {(s.group, s.box) for s in samples if s.label == 1} == {("P_00002", (0, 0, 200, 400))}
    assert notes == ["Passed over, as no pictures: 1 .csv."]


# --- the real sets -----------------------------------------------------------------------------------------------------


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("recipe", "folder", "counts", "groups"),
    [
        ("bach", "bach", (80, 80, 80, 80), 8),
        ("idc", "", (6223, 3029), 229),  # of 16,467 tiles, 60 of a patient and class at most
        ("breakhis", "breakhis", (199, 143), 18),
        ("mammogram", "mini_mias", (4858, 388), 121),
        ("busi", "busi", (106, 350, 168), 520),
    ],
)
def test_the_real_sets_have_what_their_recipes_expect(
    recipe: str, folder: str, counts: tuple[int, ...], groups: int
) -> None:
    samples = find_samples(load_recipe(recipe), SHARED_DATA / folder)
    assert Counter(sample.label for sample in samples) == dict(enumerate(counts))
    assert len({sample.group for sample in samples}) == groups


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("adapter", "folder", "counts", "groups"),
    [
        ("pcam", "pcam", (1000, 1000), 2000),
        ("ultrasound_other", "ultrasound_other", (44, 23), 67),
        ("cesm", "ood/cesm", (29, 19), 43),
    ],
)
def test_the_real_sets_without_a_recipe_have_what_their_pages_say(
    adapter: str, folder: str, counts: tuple[int, ...], groups: int
) -> None:
    samples, _ = listed(adapter, SHARED_DATA / folder)
    assert Counter(sample.label for sample in samples) == dict(enumerate(counts))
    assert len({sample.group for sample in samples}) == groups
