"""The site profiles of a box: those in a folder that are true here, and those that aren't used any more.

A profile is used for the pictures of its instrument, and only while that instrument is as it was. Of several for one model
and instrument the one with the highest version is used. Nothing that is wrong with a profile stops a box: it becomes one of
`problems`, and the model reads as one that isn't commissioned. Which profiles were revoked is remembered in a file beside
the store; a box that can't tell uses none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import RLock
from types import MappingProxyType
from typing import Annotated, Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta, Struct
from msgspec.json import encode
from msgspec.structs import replace

from device.base.errors import (
    BoxKeyUnusable,
    LoupeError,
    ProfileDamaged,
    ProfileError,
    ProfileMissing,
    ProfileNameTaken,
    ProfileOfOtherModel,
    ProfileRevoked,
    ProfileSetAlone,
    ProfileUnknown,
    RevocationsUnreadable,
    StoreUnusable,
)
from device.base.files import read_file, reason_of, write_whole
from device.base.records import record_of
from device.base.strict_json import parse
from device.reading.bundle import Bundle
from device.reading.manifest import Sha256
from device.reading.site.box_key import box_key, key_beside, verifying_key
from device.reading.site.instrument import Instrument
from device.reading.site.profile import MAX_BYTES as MOST_PROFILE_BYTES
from device.reading.site.profile import (
    SUFFIX,
    SignedProfile,
    SiteProfile,
    check_bundle,
    load_profile,
    open_profile,
    save_profile,
    write_profile,
)
from device.reading.site.standing import NOT_COMMISSIONED, Cause, Revocation, Standing

SCHEMA: Final = "loupe-revoked-profiles/1"
MAX_BYTES = 1_000_000
MOST_REVOKED = 2_000
MOST_PROFILES = 200  # in a folder
NO_INSTRUMENTS: Mapping[str, int] = MappingProxyType({})
SAME_SCALE = 0.03  # of the size of a pixel that somebody typed: the instrument's, rounded


class RevokedFile(Struct, frozen=True):
    """What is remembered, by the SHA-256 of a profile's file."""

    schema: Literal["loupe-revoked-profiles/1"]
    profiles: Annotated[Mapping[Sha256, Revocation], Meta(max_length=MOST_REVOKED)]


@dataclass(frozen=True)
class KeptProfile:
    """A profile of a folder: its file, and how it stands. `current`: the one that is used for its model and instrument."""

    path: Path
    standing: Standing
    current: bool

    @property
    def profile(self) -> SiteProfile:
        assert self.standing.signed is not None
        return self.standing.signed.profile


def profiles_folder(store: Path, setting: Path | None) -> Path:
    """Where profiles are: the setting, else `loupe.sqlite` → the folder `loupe.sites` beside it."""
    return setting or store.with_name(f"{store.stem}.sites")


def revoked_file(store: Path) -> Path:
    """`loupe.sqlite` → `loupe.revoked.json`."""
    return store.with_name(f"{store.stem}.revoked.json")


class Sites:
    """The profiles of a box's bundles. Threads may share it."""

    def __init__(self, store: Path, setting: Path | None, bundles: Sequence[Bundle]) -> None:
        self._store, self._place = store, profiles_folder(store, setting)
        self._bundles = {bundle.manifest.id: bundle for bundle in bundles}
        self._lock = RLock()
        self._signed: dict[Path, SignedProfile] = {}
        self._revoked: dict[str, Revocation] = {}
        self._problems: list[LoupeError] = []
        self._seen: tuple[object, ...] | None = None
        self._unreadable: RevocationsUnreadable | None = None

    @property
    def is_one_file(self) -> bool:
        """Whether the setting names one profile, not a folder of them."""
        return self._place.is_file() or (self._place.suffix == SUFFIX and not self._place.is_dir())

    @property
    def _folder(self) -> Path:
        """Where new profiles are written. Raises `ProfileSetAlone`."""
        self.check_takes_new()
        return self._place

    def check_takes_new(self) -> None:
        """Raises `ProfileSetAlone` where the setting names one file: that is looked at alone, so another would not be
        used."""
        if self.is_one_file:
            raise ProfileSetAlone(profile=self._place.name)

    def all(self, instruments: Mapping[str, int] = NO_INSTRUMENTS) -> list[KeptProfile]:
        """Every profile that is of a bundle of this box, by model, the newest first. `instruments`: the version of each of
        the box, by its id."""
        with self._lock:
            self._look()
            kept = sorted(
                self._signed.items(), key=lambda each: (each[1].profile.bundle.model, -each[1].profile.version)
            )
            used: set[tuple[str, str | None]] = set()
            found = []
            for path, signed in kept:
                instrument = signed.profile.instrument
                key = signed.profile.bundle.model, instrument.id if instrument else None
                standing = Standing(signed, self._revocation(signed, instruments))
                found.append(KeptProfile(path, standing, key not in used))
                used.add(key)
            return found

    def standings(
        self,
        um_per_px: float | None = None,
        instrument: Instrument | None = None,
        instruments: Mapping[str, int] = NO_INSTRUMENTS,
        *,
        scale_of_profile: bool = False,
    ) -> dict[str, Standing]:
        """How each model stands for a picture of an instrument, or with pixels of a size that somebody typed. For one of
        neither a profile of an instrument is not meant, as the picture may be another's; with `scale_of_profile` a model's
        only profile is, and says how large pixels are."""
        current = [each for each in self.all(instruments) if each.current]
        by_model = {model: [each for each in current if each.profile.bundle.model == model] for model in self._bundles}
        return {
            model: self._standing(mine, um_per_px, instrument, instruments, scale_of_profile)
            for model, mine in by_model.items()
        }

    def add(self, profile: SiteProfile) -> KeptProfile:
        """Sign a new profile with the box's key and keep it, with a version above all that its model had here, those of
        other bundles too: no file is replaced. Raises a `LoupeError`."""
        with self._lock:
            model = profile.bundle.model
            check_bundle(profile, self._bundle(model), profile.id)
            self._make_folder()
            versions = [each.profile.version for each in self.all() if each.profile.bundle.model == model]
            numbered = replace(profile, version=max([0, *versions, *self._versions_in_folder(model)]) + 1)
            path = self._folder / f"{numbered.id}{SUFFIX}"
            signed = save_profile(numbered, path, box_key(key_beside(self._store)))
            self._seen = None
            return KeptProfile(path, Standing(signed), current=True)

    def take_over(self, data: bytes, name: str = "profile") -> KeptProfile:
        """Keep a profile that this box has signed before, such as one of a backup: no other of its name is replaced, unless
        that is damaged. Raises a `LoupeError`."""
        with self._lock:
            self._look()
            signed = open_profile(data, name, self._keys())
            check_bundle(signed.profile, self._bundle(signed.profile.bundle.model), name)
            if revoked := self._revoked.get(signed.sha256):
                raise ProfileRevoked(profile=name, since=revoked.since)
            path = self._folder / f"{signed.profile.id}{SUFFIX}"
            self._make_folder()
            self._check_name(path, data)
            write_profile(data, path)
            self._seen = None
            kept = [each for each in self.all() if each.path == path]
            return kept[0] if kept else KeptProfile(path, Standing(signed), current=False)

    def file(self, profile_id: str) -> bytes:
        """The bytes of a profile's file. Raises `ProfileUnknown` and `ProfileMissing`."""
        path = self._kept(profile_id).path
        try:
            return read_file(path, MOST_PROFILE_BYTES)
        except (OSError, ValueError) as error:
            raise ProfileMissing(profile=path.name, detail=reason_of(error)) from error

    def revoke(self, profile_id: str, cause: Cause, now: datetime) -> KeptProfile:
        """Use a profile no more. Raises `ProfileUnknown`, and `StoreUnusable` where that can't be kept."""
        with self._lock:
            kept = self._kept(profile_id)
            assert kept.standing.signed is not None
            self.revoke_file(kept.standing.signed.sha256, cause, now)
            return KeptProfile(
                kept.path, Standing(kept.standing.signed, self._revoked[kept.standing.signed.sha256]), True
            )

    def revoke_file(self, sha256: str, cause: Cause, now: datetime) -> None:
        """The same of the profile whose file has this hash. It stays revoked while the service runs even where that can't
        be kept: raises `StoreUnusable`."""
        with self._lock:
            self._look()
            self._revoked.setdefault(sha256, Revocation(now.date().isoformat(), cause))
            if self._unreadable is not None:  # it may say of others what would be lost
                raise StoreUnusable(store=self._unreadable.file, detail=self._unreadable.detail)
            _write(revoked_file(self._store), dict(list(self._revoked.items())[-MOST_REVOKED:]))
            self._seen = None

    def revoke_instrument(self, instrument: str, now: datetime) -> None:
        """The same of all profiles that were made here of an instrument; one that a command made knows none of the box."""
        with self._lock:
            for each in self.all():
                of = each.profile.instrument
                if of is not None and of.id == instrument and each.profile.instrument_version:
                    assert each.standing.signed is not None
                    self.revoke_file(each.standing.signed.sha256, "instrument_changed", now)

    @property
    def problems(self) -> list[LoupeError]:
        """What is wrong with profiles, and stops no reading."""
        with self._lock:
            self._look()
            return list(self._problems)

    # --- how it is found ---

    def _look(self) -> None:
        """Read the folder anew where it has changed since it was last looked at."""
        files = list(self._files())
        seen = (*map(_state, files), _state(revoked_file(self._store)))
        if seen == self._seen:
            return
        self._problems, self._signed = [], {}
        self._look_at_revoked()
        if self._unreadable is not None:
            self._problems.append(self._unreadable)
        elif files:
            keys = list[Ed25519PublicKey]()
            try:
                keys = self._keys()
            except BoxKeyUnusable as error:
                self._problems.append(error)
            for path in files:
                self._open(path, keys)
        self._seen = seen

    def _look_at_revoked(self) -> None:
        """Find which profiles were revoked, or that this can't be known."""
        path = revoked_file(self._store)
        self._unreadable = None
        if not os.path.lexists(path):
            return
        try:
            self._revoked |= record_of(parse(read_file(path, MAX_BYTES)), RevokedFile).profiles
        except (OSError, ValueError) as error:
            self._unreadable = RevocationsUnreadable(file=str(path), detail=reason_of(error))

    def _files(self) -> Iterator[Path]:
        if self.is_one_file:
            yield self._place  # one that is missing is told
            return
        try:
            files = sorted(each for each in self._place.iterdir() if each.suffix == SUFFIX and each.name[0] != ".")
        except OSError:
            return  # no profile yet
        yield from files[:MOST_PROFILES]

    def _versions_in_folder(self, model: str) -> list[int]:
        """Those that names of files in the folder say, whatever is in these files. Raises `StoreUnusable`."""
        named = re.compile(rf"{re.escape(model)}-([1-9][0-9]{{0,4}}){re.escape(SUFFIX)}")
        try:
            return [int(found[1]) for each in self._folder.iterdir() if (found := named.fullmatch(each.name))]
        except OSError as error:
            raise StoreUnusable(store=str(self._folder), detail=reason_of(error)) from error

    def _check_name(self, path: Path, data: bytes) -> None:
        """Raises `ProfileNameTaken` where another profile has the name of this file, and isn't damaged."""
        if not os.path.lexists(path):
            return
        try:
            there = read_file(path, MOST_PROFILE_BYTES)
            if there != data:
                open_profile(there, path.name, self._keys())
        except ProfileDamaged:
            return
        except (OSError, ValueError, ProfileError) as error:
            raise ProfileNameTaken(profile=path.name) from error
        if there != data:
            raise ProfileNameTaken(profile=path.name)

    def _open(self, path: Path, keys: Sequence[Ed25519PublicKey]) -> None:
        try:
            # A command leaves its key beside the one profile that somebody then names. In a folder any file may lie.
            signed = load_profile(path, [*keys, *(_keys_beside(path) if path == self._place else [])])
            bundle = self._bundles.get(signed.profile.bundle.model)
            if bundle is None and path == self._place:
                made_for = f"{signed.profile.bundle.model} {signed.profile.bundle.version}"
                raise ProfileOfOtherModel(profile=path.name, made_for=made_for, bundle=", ".join(self._bundles))
            if bundle is not None:  # a folder may have profiles of models that aren't served now
                check_bundle(signed.profile, bundle, path.name)
                self._signed[path] = signed
        except ProfileError as error:
            self._problems.append(error)

    def _keys(self) -> list[Ed25519PublicKey]:
        """The box's own key, if it has one. Raises `BoxKeyUnusable`."""
        path = key_beside(self._store)
        return [verifying_key(path)] if os.path.lexists(path) else []

    def _revocation(self, signed: SignedProfile, instruments: Mapping[str, int]) -> Revocation | None:
        """A profile's, or that of an instrument which isn't any more what it was: the box remembers that too."""
        then = signed.profile.instrument
        now = instruments.get(then.id) if then else None
        version = signed.profile.instrument_version
        if signed.sha256 not in self._revoked and version and now not in (None, version):
            with suppress(StoreUnusable):  # it is found again
                self.revoke_file(signed.sha256, "instrument_changed", datetime.now())
        return self._revoked.get(signed.sha256)

    @staticmethod
    def _standing(
        current: Sequence[KeptProfile],
        um_per_px: float | None,
        instrument: Instrument | None,
        instruments: Mapping[str, int],
        scale_of_profile: bool,
    ) -> Standing:
        """That of a model, by its current profiles."""
        of_none = [each for each in current if each.profile.instrument is None]
        of_some = [(each, each.profile.instrument) for each in current if each.profile.instrument is not None]
        if instrument is not None:
            # A command, or an instrument of an earlier store, may have given another instrument the same id.
            mine = [
                each
                for each, of in of_some
                if of.id == instrument.id and (each.standing.revoked or _is_same(of.um_per_px, instrument.um_per_px))
            ]
            # A profile that names no instrument of this box was made by command: the size of a pixel tells it.
            mine = mine or [
                each
                for each, of in of_some
                if of.id not in instruments and _is_same(of.um_per_px, instrument.um_per_px)
            ]
        elif um_per_px is not None:
            mine = [each for each, of in of_some if _is_same(of.um_per_px, um_per_px)]
        else:
            mine = [each for each, _ in of_some] if scale_of_profile else []
        mine = mine or of_none
        return mine[0].standing if len(mine) == 1 else NOT_COMMISSIONED

    def _bundle(self, model: str) -> Bundle:
        if model not in self._bundles:
            raise ProfileUnknown(profile=model)
        return self._bundles[model]

    def _kept(self, profile_id: str) -> KeptProfile:
        for each in self.all():
            if each.profile.id == profile_id:
                return each
        raise ProfileUnknown(profile=profile_id)

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnusable(store=str(self._folder), detail=reason_of(error)) from error


def _keys_beside(path: Path) -> list[Ed25519PublicKey]:
    """The key beside a profile that the command line made; none where there is none that can be read."""
    try:
        return [verifying_key(key_beside(path))]
    except BoxKeyUnusable:
        return []


def _is_same(um_per_px: float, given: float) -> bool:
    return abs(given / um_per_px - 1) <= SAME_SCALE


def _state(path: Path) -> tuple[str, int, int]:
    """A file as it changes when it is written to."""
    try:
        status = path.stat()
    except OSError:
        return str(path), -1, -1
    return str(path), status.st_size, status.st_mtime_ns


def _write(path: Path, profiles: Mapping[str, Revocation]) -> None:
    """In one step, and on the disk when this returns. Raises `StoreUnusable`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, encode(RevokedFile(SCHEMA, profiles)))
    except OSError as error:
        raise StoreUnusable(store=str(path), detail=reason_of(error)) from error
