"""Routing: a picture is read by the bundle whose gate knows it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from device.base.errors import (
    BundleMissing,
    BundleTwice,
    FieldTooSmall,
    ImageTruncated,
    InstrumentOtherShape,
    UnknownModel,
)
from device.cli import main
from device.documents.rehearsal import open_verified
from device.reading.bundle import Bundle, bundle_files
from device.reading.gate import MADE, PICTURE, SHOWS, Answer, Verdict
from device.reading.image import Limits
from device.reading.manifest import GoldenOutputs
from device.reading.routing import Opinion, Router, choose
from device.reading.site.instrument import Instrument
from device.settings import Settings
from device.web.app import create_app
from tests.support.reading_json import routed_json
from tests.support.shipped import BUNDLE, KEYS, MODELS, SAMPLES, UM_PER_PX


@dataclass(frozen=True)
class Said:
    """An opinion as `choose` sees it."""

    name: str
    verdict: Verdict
    accepted: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "accepted", self.verdict.accepted)

    @property
    def reading(self) -> Any:
        return SimpleNamespace(verdict=self.verdict)


def said(name: str, reason: str | None, *, p: tuple[float, float], excess: tuple[float, float]) -> Said:
    answers = [Answer(PICTURE, True, 0.5, 1.0)]
    answers += [Answer(q, e <= 1, 2 * e, 2.0, each) for q, each, e in zip((MADE, SHOWS), p, excess, strict=True)]
    return Said(name, Verdict(tuple(answers), reason))


def chosen(*opinions: Said) -> str:
    return cast(Said, choose(cast(list[Opinion], list(opinions)))).name


def test_the_bundle_that_accepts_reads_even_when_another_is_nearer_in_one_question() -> None:
    refusing = said("refusing", "unknown_content", p=(0.9, 0.01), excess=(0.3, 1.1))
    accepting = said("accepting", None, p=(0.04, 0.04), excess=(0.99, 0.99))
    assert chosen(refusing, accepting) == "accepting"


def test_of_several_that_accept_the_one_to_which_the_picture_is_least_strange_reads() -> None:
    rare = said("rare", None, p=(0.9, 0.05), excess=(0.2, 0.9))
    ordinary = said("ordinary", None, p=(0.4, 0.3), excess=(0.6, 0.6))
    assert chosen(rare, ordinary) == chosen(ordinary, rare) == "ordinary"


def test_where_none_accepts_the_nearest_one_says_why_and_not_the_one_calibrated_on_most() -> None:
    many = said("many", "unknown_content", p=(1 / 2000, 1 / 2000), excess=(1.2, 1.2))
    far = said("far", "wrong_stain_or_scanner", p=(1 / 300, 1 / 300), excess=(6.0, 1.1))
    assert chosen(far, many) == "many"


def test_a_picture_that_most_cannot_judge_is_refused_for_that_and_not_as_foreign() -> None:
    foreign = said("foreign", "wrong_stain_or_scanner", p=(0.01, 0.01), excess=(1.5, 1.2))
    blurred = said("blurred", "blurred", p=(0.01, 0.01), excess=(3.0, 2.0))
    blank = said("blank", "blank", p=(0.01, 0.01), excess=(9.0, 9.0))
    small = said("small", "too_small", p=(0.01, 0.01), excess=(2.0, 2.0))
    assert chosen(foreign, blank, blurred) == "blurred"
    assert chosen(foreign, blank, small) == chosen(foreign, blank) == "foreign"
    assert chosen(blurred, small, said("far", "unknown_content", p=(0.01, 0.01), excess=(9.0, 9.0))) == "small"


@pytest.mark.parametrize(
    ("sample", "reason"), [("defocused", "blurred"), ("blank", "blank"), ("chest-xray", "wrong_stain_or_scanner")]
)
def test_among_all_models_a_sample_is_refused_for_what_is_wrong_with_it(
    router: Router, sample: str, reason: str
) -> None:
    picture = (SAMPLES / f"foreign-{sample}.jpg").read_bytes()
    assert router.read(picture).chosen.reading.verdict.reason == reason


@pytest.fixture(scope="module")
def bundles() -> tuple[Bundle, ...]:
    return tuple(Bundle.open(path, KEYS) for path in bundle_files(MODELS))


@pytest.fixture(scope="module")
def router(bundles: tuple[Bundle, ...]) -> Router:
    return Router(bundles, Limits())


def goldens(bundle: Bundle) -> list[tuple[bytes, GoldenOutputs]]:
    return [(bundle.members[g.picture], g.expected) for g in bundle.manifest.golden]


def test_beside_others_a_bundle_says_just_what_it_says_alone(router: Router, bundles: tuple[Bundle, ...]) -> None:
    for k, bundle in enumerate(bundles):
        for data, expected in goldens(bundle):
            routed = router.read(data)
            own = routed.opinions[k].reading
            assert own.verdict.reason == expected.reason
            assert [float(logit) for logit in own.maps.logits] == list(expected.logits)
            assert routed.chosen.accepted == any(opinion.accepted for opinion in routed.opinions)


def test_the_answer_says_what_each_model_said(router: Router, bundles: tuple[Bundle, ...]) -> None:
    for data, _ in goldens(bundles[0]):
        document = routed_json(router.read(data), "fr")
        said = {row["model"]: row for row in document["routing"]}
        assert list(said) == [bundle.manifest.id for bundle in bundles]
        assert [name for name, row in said.items() if row["chosen"]] == [document["model"]["id"]]
        assert document["verdict"]["accepted"] == any(row["accepted"] for row in said.values())
        assert all((row["reason"] is None) == row["accepted"] for row in said.values())


def test_a_model_that_cannot_take_the_pictures_scale_has_no_say(router: Router, bundles: tuple[Bundle, ...]) -> None:
    data = goldens(bundles[0])[0][0]
    routed = router.read(data, um_per_px=1.68)
    said = {row["model"]: row["reason"] for row in routed_json(routed, "en")["routing"]}
    assert said["busi"] == "field_too_small"  # ultrasound of a millimetre
    assert "busi" not in {opinion.model for opinion in routed.opinions}
    with pytest.raises(FieldTooSmall):
        router.read(data, "busi", um_per_px=1.68)
    with pytest.raises(ImageTruncated):
        router.read(data[:-100])


def test_a_model_that_needs_no_scale_isnt_told_of_the_microscope_that_is_chosen(
    router: Router, bundles: tuple[Bundle, ...]
) -> None:
    data = goldens(next(bundle for bundle in bundles if bundle.manifest.modality == "ultrasound"))[0][0]
    microscope = Instrument(id="m", name="Zeiss 10×", um_per_px=0.42, width_px=2048, height_px=1152)
    for pixel_size in (None, microscope):
        document = routed_json(router.read(data, "busi", pixel_size), "en", assume_field=False)
        assert (document["scale"]["state"], document["scale"]["instrument"]) == ("not_needed", None)
        assert document["image"]["um_per_px"] is None
    with pytest.raises(InstrumentOtherShape):
        router.read(data, "bach", microscope)


def test_a_model_may_be_named(router: Router, bundles: tuple[Bundle, ...]) -> None:
    data = goldens(bundles[0])[0][0]
    for bundle in bundles:
        (opinion,) = router.read(data, bundle.manifest.id).opinions
        assert opinion.model == bundle.manifest.id
    with pytest.raises(UnknownModel):
        router.read(data, "nobody")


def test_the_service_takes_the_models_name_and_lists_all(bundles: tuple[Bundle, ...], tmp_path: Path) -> None:
    client = create_app(Settings(MODELS, KEYS, SAMPLES, tmp_path / "store", threads=1), *bundles).test_client()
    names = [bundle.manifest.id for bundle in bundles]
    assert [model["id"] for model in client.get("/api/v1/model").json["models"]] == names
    assert [model["id"] for model in client.get("/readyz").json["models"]] == names
    data = goldens(bundles[0])[0][0]
    reading = client.post(f"/api/v1/readings?model={names[-1]}", data=data, content_type="image/png").json
    assert [row["model"] for row in reading["routing"]] == [names[-1]]
    assert client.get(f"/model-card?model={names[-1]}&format=md").text == bundles[-1].card
    assert all(bundle.card in client.get("/model-card?format=md").text for bundle in bundles)
    assert all(f'id="{name}"' in client.get("/model-card").text for name in names)
    unknown = client.post("/api/v1/readings?model=nobody", data=data, content_type="image/png")
    assert (unknown.status_code, unknown.json["code"]) == (404, "unknown_model")


def test_a_folder_is_all_its_models_and_one_bad_file_stops_all(tmp_path: Path) -> None:
    with pytest.raises(BundleMissing):
        bundle_files(tmp_path)
    for name in ("one", "two"):
        (tmp_path / f"{name}.loupe").symlink_to(BUNDLE)
    with pytest.raises(BundleTwice) as caught:
        open_verified(Settings(tmp_path, KEYS))
    assert caught.value.facts == {"bundle": "two.loupe", "other": "one.loupe", "model": "bach"}
    (tmp_path / "two.loupe").unlink()
    (tmp_path / "two.loupe").write_bytes(b"x" * 1000)
    assert main(["verify", "--bundle", str(tmp_path), "--keys", str(KEYS)]) == 1


def test_read_names_the_model_that_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = Bundle.open(BUNDLE, KEYS)
    picture = tmp_path / "picture.png"
    picture.write_bytes(next(data for data, expected in goldens(bundle) if expected.reason is None))
    arguments = ["read", str(picture), "--bundle", str(BUNDLE), "--keys", str(KEYS), "--language", "en"]
    arguments += ["--um-per-px", str(UM_PER_PX)]
    assert main([*arguments, "--model", "bach"]) == 0
    assert f"[bach {bundle.manifest.version}]" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["routing"][0]["model"] == "bach"
    assert main([*arguments, "--model", "nobody"]) == 1
