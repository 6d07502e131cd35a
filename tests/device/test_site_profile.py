"""A site profile: signed, of one bundle, without anybody's picture; whatever is wrong with one has a name."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from device.base.errors import (
    BoxKeyUnusable,
    ProfileDamaged,
    ProfileError,
    ProfileMissing,
    ProfileNewer,
    ProfileOfOtherKey,
    ProfileOfOtherModel,
    ProfileTooLarge,
    ProfileUnwritable,
)
from device.reading.bundle import Bundle
from device.reading.site.box_key import box_key, verifying_key
from device.reading.site.commission import Commissioned
from device.reading.site.profile import (
    FIRST_LINE,
    MAX_BYTES,
    SignedProfile,
    SiteProfile,
    check_bundle,
    load_profile,
    open_profile,
    save_profile,
    sign_profile,
)
from tests.support.shipped import KEYS, MODELS

KEY = Ed25519PrivateKey.generate()


@pytest.fixture(scope="session")
def profile(commissioned: Commissioned) -> SiteProfile:
    return commissioned.profile


@pytest.fixture(scope="session")
def signed(profile: SiteProfile) -> bytes:
    return sign_profile(profile, KEY)


def opened(data: bytes) -> SignedProfile:
    return open_profile(data, "site.profile", [KEY.public_key()])


def resigned(document: object, first_line: bytes = FIRST_LINE) -> bytes:
    """A file whose signature holds, whatever it says."""
    import hashlib
    from base64 import b64encode

    from device.reading.keys import key_id

    body = first_line + json.dumps(document).encode() + b"\n"
    signature = KEY.sign(FIRST_LINE + hashlib.sha256(body).digest())
    return body + b64encode(key_id(KEY.public_key()) + signature) + b"\n"


def document_of(signed: bytes) -> dict[str, object]:
    document: dict[str, object] = json.loads(signed.split(b"\n")[1])
    return document


def test_a_profile_comes_back_as_it_was(profile: SiteProfile, bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "site.profile"
    save_profile(profile, path, KEY)
    read = load_profile(path, [KEY.public_key()])
    check_bundle(read.profile, bundle, path.name)
    np.testing.assert_array_equal(read.profile.fit.spaces.shows.whitening, profile.fit.spaces.shows.whitening)
    assert sign_profile(read.profile, KEY) == path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_each_changed_byte_is_found(signed: bytes) -> None:
    for place in np.random.default_rng(1).integers(0, len(signed) - 1, 200):
        changed = bytearray(signed)
        changed[place] ^= 1
        with pytest.raises(ProfileError):
            opened(bytes(changed))


def test_each_cut_is_found(signed: bytes) -> None:
    for length in (0, 1, 18, 40, 200, len(signed) - 98, len(signed) - 1):
        with pytest.raises(ProfileError):
            opened(signed[:length])


def test_a_profile_of_another_box_is_refused(signed: bytes) -> None:
    with pytest.raises(ProfileOfOtherKey):
        open_profile(signed, "site.profile", [Ed25519PrivateKey.generate().public_key()])
    with pytest.raises(ProfileOfOtherKey):
        open_profile(signed, "site.profile", [])


def test_a_profile_of_another_bundle_is_refused(profile: SiteProfile) -> None:
    other = Bundle.open(MODELS / "idc.loupe", KEYS)
    with pytest.raises(ProfileOfOtherModel) as refused:
        check_bundle(profile, other, "site.profile")
    assert refused.value.made_for.startswith("bach ")
    assert refused.value.bundle.startswith("idc ")


def test_a_newer_form_is_named(signed: bytes) -> None:
    with pytest.raises(ProfileNewer):
        opened(b"loupe site profile 2\n" + signed)
    newer = document_of(signed) | {"schema_version": 2}
    with pytest.raises(ProfileNewer) as refused:
        opened(resigned(newer))
    assert (refused.value.version, refused.value.known) == ("2", 1)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"created": "yesterday"},
        {"floor": 1.5},
        {"more": 1},
        {"fit": {}},
        {"bundle": {"model": "bach", "version": "1.0.0", "sha256": "0"}},
        {"instrument": {"id": "a", "name": "a", "um_per_px": -1}},
    ],
)
def test_what_a_profile_cannot_have_is_damage_even_if_it_is_signed(signed: bytes, change: dict[str, object]) -> None:
    with pytest.raises(ProfileDamaged):
        opened(resigned(document_of(signed) | change))


def test_arrays_are_as_long_as_they_say_and_finite(signed: bytes, bundle: Bundle) -> None:
    from base64 import b64encode

    def with_centre(array: object) -> bytes:
        document = document_of(signed)
        fit = document["fit"]
        assert isinstance(fit, dict)
        spaces = fit["spaces"] | {"own": array}
        return resigned(document | {"fit": fit | {"spaces": spaces}})

    def stored(numbers: list[float], size: int) -> dict[str, object]:
        return {"sizes": [size], "float64": b64encode(np.array(numbers, "<f8").tobytes()).decode()}

    for array in (stored([1.0, 2.0], 3), stored([float("nan")], 1), stored([1e13], 1), {"sizes": [1], "float64": "?"}):
        with pytest.raises(ProfileDamaged):
            opened(with_centre(array))
    with pytest.raises(ProfileDamaged):
        check_bundle(opened(with_centre(stored([1.0], 1))).profile, bundle, "site.profile")


def test_too_large_a_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "site.profile"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ProfileTooLarge):
        load_profile(path, [])
    with pytest.raises(ProfileTooLarge):
        open_profile(path.read_bytes(), path.name, [])


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(ProfileMissing):
        load_profile(tmp_path / "none.profile", [])
    with pytest.raises(ProfileError):
        load_profile(tmp_path, [])


def test_nothing_is_left_where_a_profile_cannot_be_written(profile: SiteProfile, tmp_path: Path) -> None:
    (tmp_path / "site.profile").mkdir()
    with pytest.raises(ProfileUnwritable):
        save_profile(profile, tmp_path / "site.profile", KEY)
    with pytest.raises(ProfileUnwritable):
        save_profile(profile, tmp_path / "none" / "site.profile", KEY)
    assert [path.name for path in tmp_path.iterdir()] == ["site.profile"]


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "loupe.site.key"
    raw = [key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) for key in (box_key(path), box_key(path))]
    assert raw[0] == raw[1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_stops_no_key(tmp_path: Path) -> None:
    """The numbers of processes come again."""
    path = tmp_path / "loupe.site.key"
    (tmp_path / f"{path.name}.{os.getpid()}.new").write_text("cut")
    box_key(path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_public_key_verifies_and_does_not_sign(tmp_path: Path, profile: SiteProfile) -> None:
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path = tmp_path / "loupe.site.key"
    path.write_bytes(public)
    assert open_profile(sign_profile(profile, KEY), "site.profile", [verifying_key(path)]).profile.id == profile.id
    with pytest.raises(BoxKeyUnusable):
        box_key(path)


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_file_that_holds_no_key_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "loupe.site.key"
    path.write_bytes(content)
    with pytest.raises(BoxKeyUnusable):
        box_key(path)
    assert path.read_bytes() == content


def test_a_profile_says_nothing_of_patients_files_and_foreign_kinds(profile: SiteProfile, signed: bytes) -> None:
    """Kinds that aren't of the fixed list are numbers."""
    kinds = {each.kind for each in profile.fit.foreign}
    assert "glass" in kinds
    assert kinds.isdisjoint({"immunostain", "blood"})
    assert b".jpg" not in signed
    assert len(signed) < 1_000_000
    assert msgspec.json.decode(signed.split(b"\n")[1])["measured"] is None
