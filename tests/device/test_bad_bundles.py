"""What a trusted key signed may still be wrong, by mistake or malice: each kind is named, and none costs memory or time."""

from __future__ import annotations

import json
import os
import resource
import struct
import zipfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import to_builtins

from device.base.errors import (
    BundleError,
    BundleMalformed,
    BundleMissing,
    BundleTooLarge,
    MemberMismatch,
    SchemaMismatch,
)
from device.cli import main
from device.reading import bundle as bundle_module
from device.reading.bundle import MAX_BYTES, MAX_MEMBERS, TRAILER_BYTES, Bundle
from device.reading.manifest import CARD, MANIFEST, NETWORK, manifest_of
from tests.support.shipped import BUNDLE, KEYS
from training.packing.container import hashed, manifest_bytes, npy, sign_body
from training.packing.signing import publish_key, signing_key

NOT_RUN = b"opening a bundle doesn't run its network"
Members = dict[str, bytes]
Change = Callable[[dict[str, Any], Members], object]


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ed25519PrivateKey, Path]:
    """A throw-away key, and the folder where it is trusted."""
    folder = tmp_path_factory.mktemp("signer")
    key = signing_key(folder / "private.pem")
    publish_key(key, folder / "keys" / "throwaway.pub")
    return key, folder / "keys"


@pytest.fixture(scope="module")
def sound() -> Bundle:
    return Bundle.open(BUNDLE, KEYS)


class Packer:
    """Writes and opens what `write_bundle` would refuse to write."""

    def __init__(self, sound: Bundle, signer: tuple[Ed25519PrivateKey, Path], path: Path) -> None:
        self._sound, self._path = sound, path
        self.key, self.keys = signer

    def zipped(self, change: Change | None = None, more: Mapping[str, bytes] | None = None) -> bytes:
        """The bytes of a bundle up to its trailer, with manifest and members changed, and `more` members of any name."""
        manifest, members = json.loads(manifest_bytes(self._sound.manifest)), dict(self._sound.members)
        if change:
            change(manifest, members)
        listed = to_builtins({name: hashed(content) for name, content in {NETWORK: NOT_RUN, **members}.items()})
        text = members.pop(MANIFEST, json.dumps({**manifest, "members": listed}).encode())
        buffer = BytesIO()
        buffer.write(NOT_RUN)
        with zipfile.ZipFile(buffer, "a") as archive:
            for name, content in [(MANIFEST, text), *members.items(), *(more or {}).items()]:
                archive.writestr(name, content)
            archive.comment = bytes(TRAILER_BYTES)
        return buffer.getvalue()[:-TRAILER_BYTES]

    def opened(self, body: bytes) -> Bundle:
        self._path.write_bytes(sign_body(body, self.key))
        return Bundle.open(self._path, self.keys)


@pytest.fixture
def packer(sound: Bundle, signer: tuple[Ed25519PrivateKey, Path], tmp_path: Path) -> Packer:
    return Packer(sound, signer, tmp_path / "b.loupe")


def numbers(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of each number in a manifest; of a list the first and the last."""
    if isinstance(value, bool) or not isinstance(value, int | float | dict | list):
        return []
    if isinstance(value, int | float):
        return [path]
    items = (
        list(value.items()) if isinstance(value, dict) else [(0, value[0]), (len(value) - 1, value[-1])][: len(value)]
    )
    return [found for name, each in items for found in numbers(each, (*path, name))]


def put(path: tuple[Any, ...], value: Any) -> Change:
    def change(manifest: dict[str, Any], _: Members) -> None:
        place: Any = manifest
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return change


def test_what_is_packed_as_it_should_be_opens(packer: Packer) -> None:
    assert packer.opened(packer.zipped()).signer == "throwaway"


def test_no_number_of_a_manifest_may_be_boundless(packer: Packer, sound: Bundle) -> None:
    """Not one: each is put to what JSON's readers let pass and no figure can be."""
    document = json.loads(manifest_bytes(sound.manifest))
    places = [path for path in numbers(document) if path != ("schema_version",)]
    assert len(places) > 200
    for path in places:
        for value in (float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 10**30):
            changed = deepcopy(document)
            put(path, value)(changed, {})
            with pytest.raises(SchemaMismatch):
                manifest_of(changed, "b.loupe")
    values: tuple[Any, ...] = (float("nan"), float("inf"), 1e30, 10**30, True, "1", 0)
    for value in values:
        with pytest.raises((SchemaMismatch, BundleMalformed)):
            packer.opened(packer.zipped(put(("calibration", "temperature"), value)))


TEXTS = {
    "cut": b"{",
    "empty": b"",
    "not UTF-8": b'{"id": "\xff"}',
    "UTF-16": '{"schema_version": 3}'.encode("utf-16"),
    "nested": b"[" * 100_000 + b"]" * 100_000,
    "nested but readable": b'{"schema_version": 3, "metrics": ' + b"[" * 300 + b"]" * 300 + b"}",
    "5,000 digits": b'{"schema_version": ' + b"1" * 5000 + b"}",
    "NaN": b'{"schema_version": NaN}',
    "key twice": b'{"schema_version": 1, "schema_version": 3}',
    "no object": b'["schema_version"]',
    "no Unicode": b'{"schema_version": 3, "id": "\\ud800"}',
    "large": b'{"schema_version": 3, "id": "' + b"a" * 5_000_000 + b'"}',
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_manifest_that_cannot_be_read_is_named(text: bytes, packer: Packer) -> None:
    with pytest.raises((BundleMalformed, SchemaMismatch)) as caught:
        packer.opened(packer.zipped(lambda _, members: members.update({MANIFEST: text})))
    assert len(str(caught.value)) < 300


WORDS = {"en": "x", "fr": "x"}
CONTRADICTIONS: dict[str, Change] = {
    "a label twice": lambda m, _: m["labels"].__setitem__(1, m["labels"][0]),
    "a title with a terminal's commands": lambda m, _: m["title"].update(en="\x1b[2J"),
    "a title of 100,000 letters": lambda m, _: m["title"].update(en="x" * 100_000),
    "a version with a line's end": lambda m, _: m.update(version="2.3.0\n"),
    "a version of 5,000 digits": lambda m, _: m.update(version="1" * 5000 + ".0.0"),
    "an id with a path": lambda m, _: m.update(id="../x"),
    "ratios that don't rise": lambda m, _: m["gate"]["scale"]["ratios"].reverse(),
    "no luminance passes": lambda m, _: m["gate"]["picture"].update(min_luminance=250),
    "blank above the limit": lambda m, _: m["explanation"].update(blank_below=8),
    "an answer about another class": lambda m, _: m["answer"]["concern"].append("other"),
    "a record of three counts": lambda m, _: m["answer"]["record"][0]["counts"].pop(),
    "offsets of another class": lambda m, _: m["calibration"].update(offsets={"other": 0.1}),
    "a unit that the network lacks": lambda m, _: m["units"].update({"9999": WORDS}),
    "logits of another class": lambda m, _: m["golden"][0]["expected"]["logits"].pop(),
    "a golden output that the network lacks": lambda m, _: m["golden"][0]["expected"]["outputs"].pop("early"),
    "a golden picture that isn't there": lambda m, _: m["golden"][0].update(picture="golden/none.png"),
    "an array that isn't there": lambda m, _: m["gate"]["made"].update(centre="gate/none.npy"),
    "foreign kinds that aren't there": lambda m, _: m["site"].update(centres="site/none.npy"),
    "a foreign kind more than there are means": lambda m, _: m["site"]["kinds"].append({"name": "x", "pictures": 9}),
    "a laboratory without density": lambda m, _: m["site"].update(density=[0.0, 0.1, 0.1]),
    "a card that isn't there": lambda _, members: members.pop(CARD),
    "a member's name that leads away": lambda _, members: members.update({"golden/../../x": b""}),
    "33 golden pictures": lambda m, _: m["golden"].extend(deepcopy(m["golden"]) * 3),
    "a golden picture's name as its picture": lambda m, _: m["golden"][0].update(picture=["golden"]),
}  # fmt: skip


@pytest.mark.parametrize("change", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_manifest_that_contradicts_itself_is_named(change: Change, packer: Packer) -> None:
    with pytest.raises(SchemaMismatch) as caught:
        packer.opened(packer.zipped(change))
    assert len(str(caught.value)) < 300


def header(shape: str, kind: str = "<i8", more: bytes = b"") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + more


def archive_of_arrays() -> bytes:
    buffer = BytesIO()
    np.savez(buffer, a=np.zeros(4))
    return buffer.getvalue()


ARRAYS = {
    "shape of terabytes": header("(1000000000000,)"),
    "shape of many axes": header("(" + "1, " * 3000 + ")"),
    "negative shape": header("(-4,)", more=bytes(32)),
    "of objects": header("(4,)", "|O", b"cos\nsystem\n(S'false'\ntR."),
    "a pickle": b"cos\nsystem\n(S'false'\ntR.",
    "of texts": npy(np.array(["a", "b", "c", "d"])),
    "of dates": header("(4,)", "<M8[s]", bytes(32)),
    "a zip of arrays": archive_of_arrays(),
    "evaluated": b"\x93NUMPY\x01\x00" + struct.pack("<H", 40) + b"__import__('os').system('false')".ljust(39) + b"\n",
    "nested header": b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + b"(" * 60_000,
    "too short": npy(np.zeros(4, np.int64))[:-1],
    "too long": npy(np.zeros(4, np.int64)) + b"\0",
    "another shape": npy(np.zeros((2, 2), np.int64)),
    "no whole numbers": npy(np.zeros(4)),
    "NaN": npy(np.full(4, np.nan)),
    "infinite": npy(np.full(4, np.inf, np.float32)),
    "beyond bounds": npy(np.full(4, 2**62)),
    "sums that aren't exact": npy(np.full(4, 2**41 - 1)),
    "empty": b"",
}  # fmt: skip


@pytest.mark.parametrize("content", ARRAYS.values(), ids=ARRAYS)
def test_what_is_no_array_of_finite_numbers_is_named(content: bytes, packer: Packer, sound: Bundle) -> None:
    bias = sound.manifest.head.bias
    with pytest.raises(SchemaMismatch) as caught:
        packer.opened(packer.zipped(lambda _, members: members.update({bias: content})))
    assert bias in caught.value.detail


def test_arrays_of_either_order_and_kind_are_read(sound: Bundle) -> None:
    for kind in (np.float32, np.float64, np.int32, np.int64):
        for array in (np.arange(6, dtype=kind).reshape(2, 3), np.arange(6, dtype=kind).reshape(3, 2).T):
            held = Bundle("x", "", "", sound.manifest, {"a.npy": npy(array)}, Path())
            np.testing.assert_array_equal(held.array("a.npy"), array)
            assert held.array("a.npy").dtype == kind


def patched(offset: int, value: int, form: str = "<H") -> Callable[[bytes], bytes]:
    """A change of the first entry in the zip's directory."""

    def change(body: bytes) -> bytes:
        end = body.rindex(b"PK\x05\x06")
        size, start = struct.unpack_from("<II", body, end + 12)
        changed = bytearray(body)
        struct.pack_into(form, changed, start + offset, value)
        assert size + start == end
        return bytes(changed)

    return change


def without_directory(body: bytes) -> bytes:
    return body[: body.index(b"PK\x01\x02")] + body[body.rindex(b"PK\x05\x06") :]


def with_bytes_between(body: bytes) -> bytes:
    """Between the members and the directory, whose place in the file is told rightly."""
    start, end = body.index(b"PK\x01\x02"), body.rindex(b"PK\x05\x06")
    changed = bytearray(body[:start] + b"hidden" + body[start:])
    struct.pack_into("<I", changed, end + 6 + 16, start + 6)
    return bytes(changed)


ZIPS: dict[str, Callable[[bytes], bytes]] = {
    "encrypted": patched(8, 1),
    "unknown method": patched(10, 99),
    "deflated": patched(10, 8),
    "lzma": patched(10, 14),
    "bzip2": patched(10, 12),
    "starts beyond the file": patched(42, 0x7FFFFFFF, "<I"),
    "starts in the network": patched(42, 3, "<I"),
    "longer than the file": patched(20, 0x7FFFFFFF, "<I"),
    "said to be longer": patched(24, 0x7FFFFFFF, "<I"),
    "another checksum": patched(16, 1, "<I"),
    "name longer than the directory": patched(28, 0xFFFF),
    "note longer than the directory": patched(32, 0xFFFF),
    "64-bit sizes without them": patched(24, 0xFFFFFFFF, "<I"),
    "needs a newer zip": patched(6, 99),
    "no directory": without_directory,
    "bytes between": with_bytes_between,
    "bytes after": lambda body: body + b"after",
    "no zip": lambda body: body[:1000],
    "directory alone": lambda body: body[body.index(b"PK\x01\x02") :],
    "network cut": lambda body: body[5:],
}  # fmt: skip


@pytest.mark.parametrize("change", ZIPS.values(), ids=ZIPS)
def test_a_zip_that_is_not_plain_is_named(change: Callable[[bytes], bytes], packer: Packer) -> None:
    with pytest.raises((BundleMalformed, MemberMismatch)):
        packer.opened(change(packer.zipped()))


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_members_that_the_manifest_does_not_list_are_named(packer: Packer) -> None:
    with pytest.raises(BundleMalformed, match="one name"):
        packer.opened(packer.zipped(more={CARD: b"other"}))
    with pytest.raises(MemberMismatch):
        packer.opened(packer.zipped(more={"extra.txt": b""}))
    with pytest.raises(MemberMismatch):
        packer.opened(packer.zipped(more={"../../etc/x": b""}))
    with pytest.raises(BundleMalformed, match="members"):
        packer.opened(packer.zipped(more={f"m{k}": b"" for k in range(MAX_MEMBERS)}))


def test_members_that_take_too_much_memory_are_named(packer: Packer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_module, "MAX_MEMBERS_BYTES", 100_000)
    with pytest.raises(BundleMalformed, match="more than"):
        packer.opened(packer.zipped())


def test_the_size_of_a_file_is_looked_at_before_its_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sparse file of 4 GB, in a process whose memory it doesn't fit into."""
    huge = tmp_path / "huge.loupe"
    huge.touch()
    os.truncate(huge, 4_000_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BundleTooLarge):
        Bundle.open(huge, KEYS)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000  # kB
    assert main(["verify", "--bundle", str(huge), "--keys", str(KEYS), "--language", "en"]) == 1
    assert f"huge.loupe is larger than {MAX_BYTES // 1_000_000} MB" in capsys.readouterr().err


def test_what_is_no_file_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.loupe")
    (tmp_path / "folder.loupe").mkdir()
    (tmp_path / "loop.loupe").symlink_to("loop.loupe")
    for name in ("pipe", "folder", "loop"):
        with pytest.raises(BundleMissing):
            Bundle.open(tmp_path / f"{name}.loupe", KEYS)
    with pytest.raises(BundleError):
        Bundle.open(Path("/dev/zero"), KEYS)


def test_a_bundle_that_is_refused_leaves_no_file_open(packer: Packer) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(BundleMalformed):
            packer.opened(packer.zipped(lambda _, members: members.update({MANIFEST: b"{"})))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
