"""The reading document: what the box says of a picture, in words of a language (`docs/engineers/api.md`).

`device/reading/` finds the numbers; here they become what `loupe read --json` prints and the HTTP service sends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from device import __version__
from device.base.errors import ImageError
from device.base.texts import likelihood, words
from device.documents.answer import answer
from device.documents.model import identity
from device.documents.regions import parts_json, places_json, regions_json, section_concern, section_headline
from device.documents.verdict import ANY, caution_words, no_model_words, questions, refusal
from device.reading.image import StatedScale
from device.reading.reading import Reader, Reading
from device.reading.regions import Region, Scale, concern_of
from device.reading.routing import Opinion, Routed, least_p
from device.reading.sections import FOREIGN, GLASS, READ, Section

SCHEMA = "loupe-reading/1"
UNIT_SCALE = 8  # a unit's map is drawn on a scale so many times finer than a class's: many units make up one class map


def reading_document(routed: Routed, language: str) -> dict[str, Any]:
    """What the box says of a picture, as JSON-able values with their words in a language."""
    document = _reading_json(routed.chosen.reader, routed.chosen.reading, language)
    document["routing"] = [
        {
            "model": reader.bundle.manifest["id"],
            "title": reader.bundle.manifest["title"][language],
            "chosen": said is routed.chosen,
            **_said(said),
        }
        for reader, said in routed.asked
    ]
    if not routed.chosen.accepted:
        document["verdict"]["reason"] = _refusal(routed, language)
    return document


def _refusal(routed: Routed, language: str) -> dict[str, Any]:
    """Why the picture is refused and what to do; `model` is whose words these are, None where they are the box's."""
    verdict, um_per_px = routed.chosen.reading.verdict, routed.chosen.reading.um_per_px
    modalities = {opinion.reader.modality for opinion in routed.opinions if not opinion.reading.verdict.other_kind}
    modality = routed.chosen.reader.modality if len(routed.asked) == 1 else ANY
    if modality == ANY and len(modalities) == 1:
        (modality,) = modalities
    reason = refusal(verdict, um_per_px, modality, language)
    assert reason is not None
    told_by: str | None = routed.chosen.model
    if len(routed.asked) > 1 and routed.none_of_these:
        titles = [reader.bundle.manifest["title"][language] for reader, _ in routed.asked]
        reason |= no_model_words(verdict, titles, modality, language)
        told_by = None
    return {**reason, "model": told_by}


def _said(said: Opinion | ImageError) -> dict[str, Any]:
    if isinstance(said, ImageError):
        return {"accepted": False, "reason": said.code, "least_p": None, "ms": None}
    verdict = said.reading.verdict
    took_ms = round(said.reading.timings_ms["total"], 2)
    return {"accepted": said.accepted, "reason": verdict.reason, "least_p": least_p(verdict), "ms": took_ms}


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    """Row by row, None where a place doesn't count."""
    return [None if value != value else value for value in values.ravel().tolist()]


def _map_scale(reading: Reading) -> Scale:
    """From cells of the class map to pixels of the file's picture."""
    rows, columns, _ = reading.maps.values.shape
    return Scale((reading.image.width / columns, reading.image.height / rows), reading.um_per_px)


def _stated(scale: StatedScale | None, language: str) -> dict[str, Any] | None:
    """The size of a pixel that the file states, µm, with where it says so."""
    if scale is None:
        return None
    told = words(language)["stated_scale"]
    value = f"{scale.um_per_px:.4g}"
    sentence = told["words"].format(
        value=value if language == "en" else value.replace(".", ","), source=told["sources"][scale.source]
    )
    return {"value": scale.um_per_px, "source": scale.source, "words": sentence}


def _where(strangeness: NDArray[np.float32] | None) -> dict[str, Any] | None:
    """The map of what is foreign, None where the gate gives none."""
    if strangeness is None:
        return None
    rows, columns = strangeness.shape
    return {
        "rows": rows,
        "columns": columns,
        "foreign": float((strangeness > 1).mean()),
        "values": np.round(strangeness.astype(np.float64), 3).ravel().tolist(),
    }


def _reading_json(reader: Reader, reading: Reading, language: str) -> dict[str, Any]:
    """The chosen reading, but for what other bundles said."""
    told = words(language)
    verdict, image = reading.verdict, reading.image
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "notice": told["notice"],
        "verdict": {
            "accepted": verdict.accepted,
            "caution": reading.caution,
            "caution_words": caution_words(verdict, reading.section, language),
            "reason": refusal(verdict, reading.um_per_px, reader.modality, language),
            "magnification": verdict.magnification,
            "where": _where(reading.strangeness),
            "questions": questions(verdict, reader.modality, language),
        },
        "answer": None,
        "prediction": None,
        "class_map": None,
        "parts": None,
        "units": None,
        "units_rest": None,
        "section": _section(reader, reading, language),
        "image": {
            "width": image.width,
            "height": image.height,
            "format": image.format,
            "notes": list(image.notes),
            "read_width": image.pixels.shape[1],
            "read_height": image.pixels.shape[0],
            "um_per_px": reading.um_per_px,
            "stated_um_per_px": _stated(image.stated_um_per_px, language),
            "preview": image.preview,
        },
        "model": identity(reader.bundle, language),
        "runtime": {
            "name": reader.network.runtime.name,
            "version": reader.network.runtime.version,
            "exact": reader.network.runtime.exact,
        },
        "timings_ms": {name: round(value, 2) for name, value in reading.timings_ms.items()},
        "software": __version__,
    }
    if verdict.accepted:
        section = document["section"]
        given = answer(reader.bundle.manifest, reading.probabilities, language, section and section["headline"])
        document["answer"] = given
        document |= _decision(reader, reading, language, answered=given["concern"])
    return document


def _decision(reader: Reader, reading: Reading, language: str, *, answered: bool) -> dict[str, Any]:
    """What an accepted picture has beside its answer; `answered`: that names a class of concern."""
    manifest, maps, best = reader.bundle.manifest, reading.maps, reading.best
    labels = manifest["labels"]
    rows, columns, _ = maps.values.shape
    blank_below, limit = reader.scale(reading)
    return {
        "prediction": {
            "label": labels[best]["id"],
            "name": labels[best]["name"][language],
            "probabilities": [
                {
                    "label": label["id"],
                    "name": label["name"][language],
                    "probability": float(probability),
                    "logit": float(logit),
                    "likelihood": likelihood(float(probability), language),
                }
                for label, probability, logit in zip(labels, reading.probabilities, maps.logits, strict=True)
            ],
        },
        "class_map": {
            "rows": rows,
            "columns": columns,
            "cell_px": [reading.image.width / columns, reading.image.height / rows],
            "unit": "logit",
            "counted": int(np.count_nonzero(maps.counted)),
            "limit": limit,
            "blank_below": blank_below,
            "values": {label["id"]: _numbers(maps.values[..., k]) for k, label in enumerate(labels)},
            "places": places_json(maps, reader.bundle.labels, _map_scale(reading), blank_below),
        },
        "parts": _parts(reader, reading, language, answered=answered),
        **_units(reader, reading, language),
    }


def _section(reader: Reader, reading: Reading, language: str) -> dict[str, Any] | None:
    section = reading.section
    if section is None:
        return None
    image = reading.image
    across = image.width / image.pixels.shape[1]
    down = image.height / image.pixels.shape[0]
    labels = reader.bundle.manifest["labels"]
    headline, concern = _section_answer(reader, reading, section, language)
    return {
        "headline": headline,
        "concern": concern,
        "read": section.count(READ),
        "foreign": section.count(FOREIGN),
        "glass": section.count(GLASS),
        "reasons": dict(section.reasons),
        "window_px": [section.window_px[0] * across, section.window_px[1] * down],
        "shares": [
            {"label": label["id"], "name": label["name"][language], "share": float(share)}
            for label, share in zip(labels, reading.shares, strict=True)
        ]
        if reading.verdict.accepted
        else None,
    }


def _regions_json(reader: Reader, reading: Reading, regions: list[Region]) -> list[dict[str, Any]]:
    return regions_json(regions, reading.maps, reader.bundle.labels, _map_scale(reading), reader.temperature)


def _section_answer(
    reader: Reader, reading: Reading, section: Section, language: str
) -> tuple[str, dict[str, Any] | None] | tuple[None, None]:
    """The headline of a section and its regions of concern, both None where it is refused."""
    if not reading.verdict.accepted:
        return None, None
    manifest, regions = reader.bundle.manifest, reader.regions(reading)
    concern = concern_of(manifest)
    names = [label["name"][language] for label in manifest["labels"]]
    headline = section_headline(section, reading.shares, regions, names, concern, language)
    found = _regions_json(reader, reading, regions)
    return headline, section_concern(regions, found, reading.maps, reader.bundle.labels, concern)


def _parts(reader: Reader, reading: Reading, language: str, *, answered: bool) -> dict[str, Any] | None:
    """The parts of a field that speak for a class of concern; a section's stand in `section`."""
    manifest = reader.bundle.manifest
    concern = concern_of(manifest)
    if reading.section is not None or not concern:
        return None
    regions = reader.regions(reading)
    return parts_json(regions, _regions_json(reader, reading, regions), manifest, answered, language)


def _units(reader: Reader, reading: Reading, language: str) -> dict[str, Any]:
    """The units with the largest part in the logit of the class that is read, each with its map, and the rest."""
    manifest, best = reader.bundle.manifest, reading.best
    parts = reading.maps.units[:, best]
    shown = reader.strongest_units(reading)
    values = reader.head.unit_maps(reading.outputs["features"], reading.maps.counted, shown, best)
    blank_below, limit = reader.scale(reading)
    return {
        "units": [
            {
                "unit": unit,
                "name": manifest["units"].get(str(unit), {}).get(language),
                "contribution": float(parts[unit]),
                "values": _numbers(values[..., place]),
            }
            for place, unit in enumerate(shown)
        ],
        "units_rest": {
            "count": len(parts) - len(shown),
            "contribution": float(np.delete(parts, shown).sum()),
            "bias": float(reader.head.bias[best]),
            "limit": limit / UNIT_SCALE,
            "blank_below": blank_below / UNIT_SCALE,
        },
    }
