"""The units of the box's models: what excites each of them, and what it is called (`docs/researchers/units.md`).

A unit's weights are the bundle's own; its patches and figures come from the atlas beside the bundle, where there is one;
its names from the bundle (given when it was packed) and from this box's store. Names and patches are put into a reading
here too (`name_units`), after it was read: the reading itself needs neither.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from device.base.errors import (
    LoupeError,
    StoreUnusable,
    UnitUnknown,
    echoed,
)
from device.base.log import warn
from device.base.texts import error_words, words
from device.documents.model import identity
from device.reading.atlas import Atlas, atlas_path, network_of, open_atlas
from device.reading.bundle import Bundle
from device.reading.maps import Head
from device.settings import Settings
from device.storage.lexicon import Lexicon, lexicon_of
from device.storage.names import Agreed, Names, agreed

PATCHES_IN_READING = 3
NAMES_SHOWN = 3  # of a unit among others


class Answers:
    """Answers that are the same for everyone as long as the names are: a full store's take a tenth of a second each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, tuple[Hashable, bytes]] = {}

    def of(self, which: str, state: Hashable, make: Callable[[], str]) -> bytes:
        """The answer for a state of the names: made when it is first asked for, by one thread while others wait."""
        with self._lock:
            made = self._made.get(which)
            if made is None or made[0] != state:
                made = self._made[which] = (state, make().encode())
            return made[1]


class ModelUnits:
    """The units of one bundle. The atlas is opened at first use; a bad one is told, and the rest works without."""

    def __init__(self, bundle: Bundle, atlas: Path, names: Names) -> None:
        self.bundle, self.names = bundle, names
        self.model, self.network = str(bundle.manifest["id"]), network_of(bundle)
        self.lexicon: Lexicon = lexicon_of(bundle)
        self.listed = Answers()
        scale = bundle.manifest["network"]["outputs"]["features"]["scale"]
        self._weights = Head(bundle).weights / scale
        self._atlas_path, self._lock = atlas, threading.Lock()
        self._opened: Atlas | LoupeError | None = None
        self._asked = False

    @property
    def count(self) -> int:
        return len(self._weights)

    def _open(self) -> Atlas | LoupeError | None:
        with self._lock:
            if not self._asked:
                try:
                    self._opened = open_atlas(self._atlas_path, self.bundle)
                except LoupeError as error:
                    self._opened = error
                    warn(error)
                self._asked = True
            return self._opened

    @property
    def atlas(self) -> Atlas | None:
        """The atlas, None where there is none or it can't be used."""
        opened = self._open()
        return opened if isinstance(opened, Atlas) else None

    @property
    def problem(self) -> LoupeError | None:
        """Why the atlas that lies there can't be used."""
        opened = self._open()
        return opened if isinstance(opened, LoupeError) else None

    def checked(self, unit: int) -> int:
        """Raises `UnitUnknown`."""
        if not 0 <= unit < self.count:
            raise UnitUnknown(unit=echoed(unit), model=self.bundle.manifest["id"], units=self.count)
        return unit

    def agreed(self, units: Collection[int] | None = None) -> dict[int, list[Agreed]]:
        """Names from the store by unit, of all units or of those asked for. Raises `StoreUnusable`."""
        return agreed(self.names.given(self.network, units), self.lexicon)

    def shown(self, agreed_names: dict[int, list[Agreed]]) -> list[int]:
        """Units of the survey, in its order: the atlas's, then others that have a name."""
        units = [int(unit) for unit in self.atlas.index["units"]] if self.atlas else []
        named = sorted({int(unit) for unit in self.bundle.manifest["units"]} | set(agreed_names))
        return units + [unit for unit in named if unit not in set(units)]

    def names_json(
        self, unit: int, agreed_names: dict[int, list[Agreed]], language: str, shown: int | None = NAMES_SHOWN
    ) -> dict[str, Any]:
        """The names of a unit: the bundle's, then the experts' on this box, by how many gave them, so many of these at
        most; and how many more they gave."""
        packed = self.bundle.manifest["units"].get(str(unit))
        rows: list[dict[str, Any]] = []
        if packed:
            rows.append({"name": packed[language], "term": None, "experts": None, "from": "model"})
        given = agreed_names.get(unit, [])
        rows += [
            {"name": each.name[language], "term": each.term, "experts": each.experts, "from": "box"}
            for each in given[:shown]
        ]
        return {"names": rows, "names_more": len(given[shown:]) if shown is not None else 0}

    def patches_json(self, unit: int) -> list[dict[str, Any]]:
        """The patches of a unit, the strongest first: where each is, its class, its activation."""
        entry = self.atlas.unit(unit) if self.atlas else None
        return [
            {**patch, "url": f"/api/v1/units/{unit}/patches/{rank}?model={self.model}"}
            for rank, patch in enumerate(entry["patches"] if entry else [])
        ]

    def unit_json(
        self, unit: int, agreed_names: dict[int, list[Agreed]], language: str, names: int | None = NAMES_SHOWN
    ) -> dict[str, Any]:
        """All that the box knows of a unit, but of its names so many at most."""
        entry = self.atlas.unit(unit) if self.atlas else None
        patches = [{name: patch[name] for name in ("url", "label", "activation")} for patch in self.patches_json(unit)]
        figures = {name: value for name, value in entry.items() if name != "patches"} if entry else None
        return {
            "unit": unit,
            "weights": dict(zip(self.bundle.labels, np.round(self._weights[unit], 4).tolist(), strict=True)),
            "figures": figures,
            "patches": patches,
            **self.names_json(unit, agreed_names, language, names),
        }

    def survey_json(self, language: str, unusable: StoreUnusable | None = None) -> dict[str, Any]:
        """All that the survey shows: without names where the store is `unusable`. Raises `StoreUnusable`."""
        manifest, atlas, lexicon = self.bundle.manifest, self.atlas, self.lexicon
        problems = [problem for problem in (self.problem, unusable) if problem]
        agreed_names = {} if unusable else self.agreed()
        return {
            "notice": words(language)["notice"],
            "model": identity(self.bundle, language),
            "network": self.network,
            "count": self.count,
            "labels": [{"label": label["id"], "name": label["name"][language]} for label in manifest["labels"]],
            "lexicon": {
                "id": lexicon.id,
                "title": lexicon.title[language],
                "source": lexicon.source,
                "groups": [{"group": group, "name": texts[language]} for group, texts in lexicon.groups.items()],
                "terms": [
                    {
                        "term": term,
                        "group": texts["group"],
                        "name": texts[language],
                        "definition": texts["definition"][language],
                    }
                    for term, texts in lexicon.terms.items()
                ],
            },
            "atlas": {
                "notice": atlas.index["notice"][language],
                "figures": atlas.index["figures"],
                "patches": atlas.index["patches"],
                "concepts": {concept: texts[language] for concept, texts in atlas.index["concepts"].items()},
            }
            if atlas
            else None,
            "problems": [{"code": problem.code, **error_words(problem, language)} for problem in problems],
            "units": [self.unit_json(unit, agreed_names, language) for unit in self.shown(agreed_names)],
        }


class Units:
    """The units of all bundles of a box."""

    def __init__(self, settings: Settings, bundles: Sequence[Bundle]) -> None:
        self._names = names = Names(settings.store)
        # The files that were opened: `bundle_files` (device/reading/bundle.py) finds them in this folder.
        folder = settings.bundle if settings.bundle.is_dir() else settings.bundle.parent
        self._models = {
            bundle.manifest["id"]: ModelUnits(bundle, atlas_path(folder / bundle.name), names) for bundle in bundles
        }

    def of(self, bundle: Bundle) -> ModelUnits:
        return self._models[bundle.manifest["id"]]

    def problems(self) -> list[LoupeError]:
        """What is wrong with the names' store, and why atlases that lie beside bundles can't be used."""
        with suppress(StoreUnusable):
            self._names.given("", [])  # so that a store that can't be opened is found
        return [*self._names.problems, *(model.problem for model in self._models.values() if model.problem)]

    def name_units(self, document: dict[str, Any], language: str) -> dict[str, Any]:
        """A reading with the names that this box knows of its units, and patches of each. Without a store it goes on
        with the bundle's own names."""
        if not document.get("units"):
            return document
        model = self._models[document["model"]["id"]]
        try:
            agreed_names = model.agreed([unit["unit"] for unit in document["units"]])
        except StoreUnusable:
            agreed_names = {}
        for unit in document["units"]:
            unit.update(model.names_json(unit["unit"], agreed_names, language))
            unit["name"] = unit["names"][0]["name"] if unit["names"] else None
            unit["patches"] = [patch["url"] for patch in model.patches_json(unit["unit"])[:PATCHES_IN_READING]]
        return document
