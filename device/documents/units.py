"""The units of the box's models: what excites each of them, and what it is called (`docs/researchers/units.md`).

A unit's weights are the bundle's own; its patches and figures come from the atlas beside the bundle, where there is one;
its names from the bundle (given when it was packed) and from this box's store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import to_builtins

from device.base.errors import LoupeError, StoreUnusable, UnitUnknown, echoed
from device.base.log import warn
from device.base.texts import words
from device.documents.model import LabelName, ModelIdentity, identity, label_names
from device.documents.problem import ProblemWords, problem_words
from device.documents.reading_document import NamedUnit, ReadingDocument, UnitName
from device.documents.records import Record, about
from device.reading.atlas import (
    Atlas,
    AtlasFigures,
    PictureData,
    UnitEntry,
    UnitFigures,
    atlas_path,
    network_of,
    open_atlas,
)
from device.reading.bundle import Bundle
from device.reading.maps import Head
from device.settings import Settings
from device.storage.lexicon import Lexicon, lexicon_of
from device.storage.names import SCHEMA as NAMES_SCHEMA
from device.storage.names import Agreed, Given, Names, agreed

PATCHES_IN_READING = 3
NAMES_SHOWN = 3  # of a unit among others

AgreedNames = Mapping[int, Sequence[Agreed]]  # by unit, the most given first


# --- the records -----------------------------------------------------------------------------------------------------


class UnitPatch(Record, frozen=True):
    """A patch that excites a unit."""

    url: Annotated[str, about("The address of its picture.")]
    label: Annotated[str, about("The class of the picture that it is of.")]
    activation: Annotated[float, about("How strongly it excites the unit.")]


class UnitDocument(Record, frozen=True):
    """All that the box knows of a unit."""

    unit: Annotated[int, about("The unit's number.")]
    weights: Annotated[
        dict[str, float], about("For each class, by how much its logit grows with the unit's activation.")
    ]
    figures: Annotated[UnitFigures | None, about("What the atlas measured of the unit; null where it isn't in one.")]
    patches: Annotated[list[UnitPatch], about("Patches that excite the unit, the strongest first.")]
    names: Annotated[list[UnitName], about("The bundle's name, then those given on this box, the most given first.")]
    names_more: Annotated[int, about("How many more names were given on this box.")]


class LexiconGroup(Record, frozen=True):
    """A group of terms."""

    group: Annotated[str, about("The group, for programs.")]
    name: Annotated[str, about("Its name for people.")]


class LexiconTerm(Record, frozen=True):
    """A word of the lexicon."""

    term: Annotated[str, about("The term, for programs.")]
    group: Annotated[str, about("Its group.")]
    name: Annotated[str, about("The word.")]
    definition: Annotated[str, about("What it means.")]


class LexiconFacts(Record, frozen=True):
    """The words that experts may choose from."""

    id: Annotated[str, about("The lexicon, for programs.")]
    title: Annotated[str, about("Its name for people.")]
    source: Annotated[str, about("Where its words come from.")]
    groups: Annotated[list[LexiconGroup], about("Groups of terms.")]
    terms: Annotated[list[LexiconTerm], about("Its words.")]


class AtlasFacts(Record, frozen=True):
    """Where patches and figures come from."""

    notice: Annotated[str, about("Whose pictures these are, and what may be done with them.")]
    figures: Annotated[AtlasFigures, about("From which data and by which program the figures were made.")]
    patches: Annotated[PictureData, about("From which data and by which program the patches were made.")]
    concepts: Annotated[dict[str, str], about("The names of the masks that figures speak of.")]


class UnitsDocument(Record, frozen=True):
    """The unit survey of a model."""

    notice: Annotated[str, about("What the box may be used for.")]
    model: Annotated[ModelIdentity, about("Which model.")]
    network: Annotated[str, about("SHA-256 of the integer network, to which names belong.")]
    count: Annotated[int, about("How many units the last layer has.")]
    labels: Annotated[list[LabelName], about("The classes, in the model's order.")]
    lexicon: Annotated[LexiconFacts, about("The words that experts may choose from.")]
    atlas: Annotated[AtlasFacts | None, about("Where patches and figures come from; null without an atlas.")]
    problems: Annotated[list[ProblemWords], about("Why there is no atlas, or are no names.")]
    units: Annotated[list[UnitDocument], about("The atlas's units in its order, then others that have a name.")]


class GivenName(Record, frozen=True):
    """A name that an expert gave."""

    unit: Annotated[int, about("The unit's number.")]
    expert: Annotated[str, about("Initials or a pseudonym; empty for none.")]
    term: Annotated[str | None, about("The lexicon's term, or null.")]
    text: Annotated[str | None, about("A free name, or null.")]
    at: Annotated[str, about("When it was given, UTC.")]


class NamesDocument(Record, frozen=True):
    """All names of a model's units, to import on another box or to pack into the next bundle."""

    schema: Annotated[str, about("`loupe-names/1`.")]
    model: Annotated[str, about("The model, for programs.")]
    network: Annotated[str, about("SHA-256 of the integer network, to which names belong.")]
    lexicon: Annotated[str, about("The lexicon of the terms.")]
    names: Annotated[list[GivenName], about("Who called what what, and when.")]
    units: Annotated[
        dict[str, dict[str, str]], about("Each unit's most given name, in the form of a bundle's manifest.")
    ]


# --- how they are made -----------------------------------------------------------------------------------------------


class Answers:
    """Answers that are the same for everyone as long as the names are: a full store's take a tenth of a second each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, tuple[Hashable, bytes]] = {}

    def of(self, which: str, state: Hashable, make: Callable[[], bytes]) -> bytes:
        """The answer for a state of the names: made when it is first asked for, by one thread while others wait."""
        with self._lock:
            made = self._made.get(which)
            if made is None or made[0] != state:
                made = self._made[which] = (state, make())
            return made[1]


class ModelUnits:
    """The units of one bundle. The atlas is opened at first use; a bad one is a problem, and the rest works without."""

    def __init__(self, bundle: Bundle, atlas: Path, names: Names) -> None:
        self.bundle, self.names = bundle, names
        self.model, self.network = bundle.manifest.id, network_of(bundle)
        self.lexicon: Lexicon = lexicon_of(bundle)
        self.listed = Answers()
        scale = bundle.manifest.network.outputs["features"].scale
        self._weights = Head.of(bundle).weights / scale
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
            raise UnitUnknown(unit=echoed(unit), model=self.bundle.manifest.id, units=self.count)
        return unit

    def agreed(self, units: Collection[int] | None = None) -> AgreedNames:
        """Names from the store by unit, of all units or of those asked for. Raises `StoreUnusable`."""
        return agreed(self.names.given(self.network, units), self.lexicon)

    def shown(self, agreed_names: AgreedNames) -> list[int]:
        """Units of the survey, in its order: the atlas's, then others that have a name."""
        units = [int(unit) for unit in self.atlas.index.units] if self.atlas else []
        named = sorted({int(unit) for unit in self.bundle.manifest.units} | set(agreed_names))
        return units + [unit for unit in named if unit not in set(units)]

    def unit_names(
        self, unit: int, agreed_names: AgreedNames, language: str, most: int | None = NAMES_SHOWN
    ) -> tuple[list[UnitName], int]:
        """The names of a unit: the bundle's, then the experts' on this box, by how many gave them, so many of these at
        most; and how many more they gave."""
        packed = self.bundle.manifest.unit_name(unit)
        given = agreed_names.get(unit, [])
        names = [UnitName(name=packed.text(language), term=None, experts=None, source="model")] if packed else []
        names += [
            UnitName(name=each.name.text(language), term=each.term, experts=each.experts, source="box")
            for each in given[:most]
        ]
        return names, len(given[most:]) if most is not None else 0

    def patch_files(self, unit: int) -> list[str]:
        """The files of a unit's patches in the atlas, the strongest first."""
        entry = self._atlas_entry(unit)
        return [patch.file for patch in entry.patches] if entry else []

    def patch_urls(self, unit: int) -> list[str]:
        """Where the patches of a unit are served."""
        many = len(self.patch_files(unit))
        return [f"/api/v1/units/{unit}/patches/{rank}?model={self.model}" for rank in range(many)]

    def _atlas_entry(self, unit: int) -> UnitEntry | None:
        """What the atlas says of a unit; None where it says nothing."""
        return self.atlas.unit(unit) if self.atlas else None

    def named(self, units: Iterable[int], language: str) -> dict[int, NamedUnit]:
        """Names and patches of the units of a reading. Without a store it goes on with the bundle's own names."""
        units = list(units)
        try:
            agreed_names = self.agreed(units)
        except StoreUnusable:
            agreed_names = {}
        named = {}
        for unit in units:
            names, more = self.unit_names(unit, agreed_names, language)
            patches = self.patch_urls(unit)[:PATCHES_IN_READING]
            named[unit] = NamedUnit(names=names, names_more=more, patches=patches)
        return named

    def unit_document(
        self, unit: int, agreed_names: AgreedNames, language: str, most: int | None = NAMES_SHOWN
    ) -> UnitDocument:
        """All that the box knows of a unit, but of its names so many at most."""
        entry = self._atlas_entry(unit)
        names, more = self.unit_names(unit, agreed_names, language, most)
        return UnitDocument(
            unit=unit,
            weights=dict(zip(self.bundle.labels, np.round(self._weights[unit], 4).tolist(), strict=True)),
            figures=_unit_figures(entry) if entry else None,
            patches=[
                UnitPatch(url=url, label=patch.label, activation=patch.activation)
                for url, patch in zip(self.patch_urls(unit), entry.patches if entry else (), strict=True)
            ],
            names=names,
            names_more=more,
        )

    def survey(self, language: str, unusable: StoreUnusable | None = None) -> UnitsDocument:
        """All that the survey shows: without names where the store is `unusable`. Raises `StoreUnusable`."""
        problems = [problem for problem in (self.problem, unusable) if problem]
        agreed_names = {} if unusable else self.agreed()
        return UnitsDocument(
            notice=words(language)["notice"],
            model=identity(self.bundle, language),
            network=self.network,
            count=self.count,
            labels=label_names(self.bundle, language),
            lexicon=_lexicon_facts(self.lexicon, language),
            atlas=_atlas_facts(self.atlas, language) if self.atlas else None,
            problems=[problem_words(problem, language) for problem in problems],
            units=[self.unit_document(unit, agreed_names, language) for unit in self.shown(agreed_names)],
        )

    def names_document(self) -> NamesDocument:
        """All names that were given on this box. Raises `StoreUnusable`."""
        given: list[Given] = self.names.given(self.network)
        return NamesDocument(
            schema=NAMES_SCHEMA,
            model=self.model,
            network=self.network,
            lexicon=self.lexicon.id,
            names=[
                GivenName(unit=each.unit, expert=each.expert, term=each.term, text=each.text, at=each.at)
                for each in given
            ],
            units={str(unit): to_builtins(names[0].name) for unit, names in agreed(given, self.lexicon).items()},
        )


def _lexicon_facts(lexicon: Lexicon, language: str) -> LexiconFacts:
    return LexiconFacts(
        id=lexicon.id,
        title=lexicon.title.text(language),
        source=lexicon.source,
        groups=[LexiconGroup(group=group, name=name.text(language)) for group, name in lexicon.groups.items()],
        terms=[
            LexiconTerm(
                term=term.id,
                group=term.group,
                name=term.name.text(language),
                definition=term.definition.text(language),
            )
            for term in lexicon.terms
        ],
    )


def _unit_figures(entry: UnitEntry) -> UnitFigures:
    """All that the atlas says of a unit but its patches."""
    return UnitFigures(**{name: getattr(entry, name) for name in UnitFigures.__struct_fields__})


def _atlas_facts(atlas: Atlas, language: str) -> AtlasFacts:
    index = atlas.index
    return AtlasFacts(
        notice=index.notice.text(language),
        figures=index.figures,
        patches=index.patches,
        concepts={concept: name.text(language) for concept, name in index.concepts.items()},
    )


class Units:
    """The units of all bundles of a box."""

    def __init__(self, settings: Settings, bundles: Sequence[Bundle]) -> None:
        self._names = names = Names(settings.store)
        # The files that were opened: `bundle_files` (device/reading/bundle.py) finds them in this folder.
        folder = settings.bundle if settings.bundle.is_dir() else settings.bundle.parent
        self._models = {
            bundle.manifest.id: ModelUnits(bundle, atlas_path(folder / bundle.name), names) for bundle in bundles
        }

    def of(self, bundle: Bundle) -> ModelUnits:
        return self._models[bundle.manifest.id]

    def problems(self) -> list[LoupeError]:
        """What is wrong with the names' store, and why atlases that lie beside bundles can't be used."""
        with suppress(StoreUnusable):
            self._names.given("", [])  # so that a store that can't be opened is found
        return [*self._names.problems, *(model.problem for model in self._models.values() if model.problem)]

    def named(self, document: ReadingDocument, language: str) -> dict[int, NamedUnit]:
        """What this box knows of the units of a reading."""
        model = self._models[document.model.id]
        return model.named((unit.unit for unit in document.units or []), language)
