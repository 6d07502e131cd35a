"""Runs the cases of ../shared/cases, a line a case: `make cases`, or some: `make cases CASES="02 04"`.

Each case is a folder with small inputs and a README that says what is right. Its function here gets the folder and yields
one sentence for each thing that isn't as it should be; none means ok. The inputs stay where they are: the tests of the
repository draw inputs of the same kinds themselves.
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

import numpy as np
import PIL.Image
from flask.testing import FlaskClient

from device.base.errors import ImageError
from device.base.texts import LANGUAGES
from device.cli import main as main_of_loupe
from device.reading.image import Image, Limits, decode
from device.settings import Settings
from device.web.app import create_app
from device.web.samples import INDEX
from tests.support.serving import serving
from tests.support.shipped import MODELS, ROOT

FOLDER = ROOT.parent / "shared" / "cases"

Differences = Iterator[str]


def outcome(file: Path) -> Image | ImageError:
    """What the decoder makes of a file: the picture, or the error that names what is wrong."""
    try:
        return decode(file.read_bytes(), Limits())
    except ImageError as error:
        return error


def refused(folder: Path, codes: set[str], *names: str) -> Differences:
    """Each file is refused with one of the codes."""
    for name in names:
        result = outcome(folder / name)
        if isinstance(result, Image):
            yield f"{name} is read, notes {result.notes}"
        elif result.code not in codes:
            yield f"{name}: {result.code}"


def equals(folder: Path, *names: str, note: str | None = None, within: int = 1) -> Differences:
    """Each file's pixels are those of expected.png, within so many levels; with a note where one is due."""
    expected = np.asarray(PIL.Image.open(folder / "expected.png").convert("RGB")).astype(int)
    for name in names:
        result = outcome(folder / name)
        if isinstance(result, ImageError):
            yield f"{name}: {result.code} {result.facts}"
        elif result.pixels.shape != expected.shape:
            yield f"{name}: {result.pixels.shape}, not {expected.shape}"
        else:
            apart = int(np.abs(result.pixels - expected).max())
            if apart > within:
                yield f"{name} is up to {apart} levels apart"
            if note and note not in result.notes:
                yield f"{name} lacks the note {note}: {result.notes}"


def jpeg_damaged(folder: Path) -> Differences:
    yield from refused(
        folder, {"image_damaged", "image_truncated"}, "cut95-eoi.jpg", "hole512.jpg", "lost512.jpg"
    )  # fmt: skip


def xmp_orientation(folder: Path) -> Differences:
    upright = decode((folder / "upright.jpg").read_bytes(), Limits())
    for name in ("xmp3.jpg", "xmp6.jpg"):
        result = decode((folder / name).read_bytes(), Limits())
        if "exif_rotated" in result.notes:
            yield f"{name} is turned by its XMP"
        elif (
            result.pixels.shape == upright.pixels.shape
            and np.abs(result.pixels.astype(int) - upright.pixels).mean() > 8
        ):
            yield f"{name} differs from upright.jpg"


def white_is_zero(folder: Path) -> Differences:
    yield from equals(folder, "white0-16.tif", "white0-16-lzw.tif")


def planar(folder: Path) -> Differences:
    yield from equals(folder, "rgb16-planar.tif", note="sixteen_bit_scaled")


def big_tiff(folder: Path) -> Differences:
    yield from equals(folder, "big-le.tif", "big-be.tif")


def tiff_cut_off(folder: Path) -> Differences:
    yield from refused(folder, {"image_truncated"}, "deflate.tif", "jpeg.tif", "lzw.tif", "packbits.tif")


def png_large_metadata(folder: Path) -> Differences:
    for name in ("itxt.png", "ztxt.png"):
        result = outcome(folder / name)
        if isinstance(result, ImageError):
            yield f"{name}: {result.code}"


def zero_bytes(folder: Path) -> Differences:
    yield from refused(folder, {"image_empty"}, "z.jpg")


def reduced_pages(folder: Path) -> Differences:
    result = outcome(folder / "pyramid.tif")
    if isinstance(result, ImageError):
        yield f"pyramid.tif: {result.code} {result.facts}"


def varieties(folder: Path) -> Differences:
    """Those that can be read are; the others are refused in a sentence of their own."""
    for file in sorted(folder.iterdir()):
        if file.name != "README":
            result = outcome(file)
            if isinstance(result, ImageError) and result.code in ("unsupported_format", "image_damaged"):
                yield f"{file.name}: {result.code}"


def alpha_all_zero(folder: Path) -> Differences:
    names = ("four-samples-no-extrasamples.tif", "rgba-alpha0.tif", "v4-alpha0.bmp")
    yield from equals(folder, *names, note="alpha_ignored")


def twelve_in_sixteen(folder: Path) -> Differences:
    for name in ("rgb-12in16.tif", "us-12in16.tif"):
        result = outcome(folder / name)
        if isinstance(result, ImageError):
            yield f"{name}: {result.code}"
        elif result.pixels.max() < 128:
            yield f"{name}: the brightest value is {result.pixels.max()}"


def client_of(store: Path, **changed: Path) -> FlaskClient:
    """A client of the box as it ships, with other settings where some are given."""
    paths: dict[str, Any] = {
        "bundle": MODELS / "bach.loupe",
        "keys": MODELS / "keys",
        "samples": MODELS / "samples",
        **changed,
    }
    return create_app(Settings(**paths, store=store, threads=1)).test_client()


def command(*arguments: str | Path) -> tuple[int, str]:
    """Exit status of `loupe`, and what it printed on standard error."""
    printed = StringIO()
    with redirect_stderr(printed), redirect_stdout(StringIO()):
        status = main_of_loupe([*map(str, arguments), "--language", "en"])
    return status, printed.getvalue()


def same_words_each_time(folder: Path) -> Differences:
    picture = (folder / "twice-as-large.jpg").read_bytes()
    with TemporaryDirectory() as store:
        client = client_of(Path(store) / "store.sqlite")
        for language in LANGUAGES:
            urls = [f"/api/v1/readings?lang={language}", f"/api/v1/readings?lang={language}&um_per_px=0.8"]
            first = [(client.post(url, data=picture).json or {}).get("verdict") for url in urls]
            for url, verdict in [*zip(urls, first, strict=True)] * 3:
                if (client.post(url, data=picture).json or {}).get("verdict") != verdict:
                    yield f"{url} answers otherwise after other pictures"


def keys_that_are_none(folder: Path) -> Differences:
    for file in folder.glob("*.pub"):
        with TemporaryDirectory() as scratch:
            shutil.copytree(MODELS / "keys", keys := Path(scratch) / "keys")
            shutil.copy(file, keys)
            status, printed = command("verify", "--bundle", MODELS / "bach.loupe", "--keys", keys)
            if status or (file.name in printed) == file.name.startswith("."):
                yield f"{file.name} beside a key: status {status}, {printed!r}"
            for shipped in (MODELS / "keys").glob("*.pub"):
                (keys / shipped.name).unlink()
            status, printed = command("verify", "--bundle", MODELS / "bach.loupe", "--keys", keys)
            expected = "[unknown_signer]" if file.name.startswith(".") else "[key_unreadable]"
            if status != 1 or expected not in printed:
                yield f"{file.name} alone: status {status}, {printed!r}"


def samples_damaged(folder: Path) -> Differences:
    picture = (MODELS / "samples" / "texture-benign.jpg").read_bytes()
    all_of_them = len(json.loads((MODELS / "samples" / INDEX).read_bytes()))
    for damage, left in (
        ("samples-bom.json", all_of_them),
        ("samples-cut.json", 0),
        ("a picture gone", all_of_them - 1),
    ):
        with TemporaryDirectory() as scratch:
            shutil.copytree(MODELS / "samples", samples := Path(scratch) / "samples")
            if damage.endswith(".json"):
                shutil.copy(folder / damage, samples / INDEX)
            else:
                (samples / "texture-benign.jpg").unlink()
            client = client_of(Path(scratch) / "store.sqlite", samples=samples)
            if (status := client.post("/api/v1/readings", data=picture).status_code) != 200:
                yield f"{damage}: a reading answers {status}"
            if (offered := len(client.get("/api/v1/samples").json["samples"])) != left:
                yield f"{damage}: {offered} samples are offered, not {left}"
            if (left < all_of_them) != bool(client.get("/api/v1/health").json["problems"]):
                yield f"{damage}: the health page is wrong about it"


def overlay_unwritable(_: Path) -> Differences:
    picture = MODELS / "samples" / "texture-benign.jpg"
    with TemporaryDirectory() as scratch:
        for out in ("/no/such/folder/o.png", f"{scratch}/out", f"{scratch}/out.xyz", scratch):
            status, printed = command("read", picture, "--overlay", out, "--bundle", "/none", "--keys", "/none")
            if status != 2 or printed.count("\n") != 1 or "[overlay_unwritable]" not in printed:
                yield f"{out}: status {status}, {printed!r}"


def addresses(_: Path) -> Differences:
    with TemporaryDirectory() as scratch:
        for host in ("::", "::1", "[::1]"):
            with serving(Path(scratch) / "log", host=host) as url:
                if urlopen(f"{url}/healthz").status != 200:
                    yield f"{host} doesn't answer"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        in_use = taken.getsockname()[1]
        for host, port in (
            ("127.0.0.1", in_use),
            ("192.0.2.1", 8080),
            ("2001:db8::1", 8080),
            ("nowhere.invalid", 8080),
        ):
            status, printed = command("serve", "--host", host, "--port", str(port))
            if status != 1 or "[setting_invalid]" not in printed or f"{host}, port {port}" not in printed:
                yield f"{host}, {port}: status {status}, {printed!r}"


def trained(*arguments: str | Path) -> tuple[int, str]:
    """Exit status of `loupe-train`, and all that it printed, on one line."""
    from training.cli import main as main_of_training

    with redirect_stdout(StringIO()) as out, redirect_stderr(out):
        status = main_of_training([str(argument) for argument in arguments])
    return status, " ".join(out.getvalue().split())


def looked_over(archive: Path, folder: str, adapter: str, *expected: str, scratch: Path) -> Differences:
    """`data check` of a folder of an archive ends well and says all that is expected."""
    with tarfile.open(archive) as packed:
        packed.extractall(scratch, filter="fully_trusted")  # one of them holds a link out of its folder
    out = scratch / "out"
    status, printed = trained("data", "check", scratch / folder, "--adapter", adapter, "--out", out)
    missing = [words for words in expected if words not in printed]
    if status or missing:
        yield f"{folder} with {adapter}: status {status}, {missing} not in {printed!r}"


def groups_as_excel_saves_them(folder: Path) -> Differences:
    names = {"utf16": "utf-16", "cp1252": "cp1252", "semicolon": "utf-8"}
    for table in sorted(folder.glob("*.csv")):
        text = table.read_bytes().decode(names[table.stem.partition("-")[2]])
        with TemporaryDirectory() as scratch:
            data = Path(scratch) / "d"
            for number, line in enumerate(text.splitlines()[1:]):
                file = data / line.replace(";", ",").partition(",")[0]
                file.parent.mkdir(parents=True, exist_ok=True)
                PIL.Image.effect_noise((96, 96), 20 + number).save(file)
            shutil.copy(table, data / "groups.csv")
            status, printed = trained("data", "check", data, "--adapter", "folder", "--out", Path(scratch) / "out")
            if status or "There is no groups.csv" in printed:
                yield f"{table.name}: status {status}, {printed!r}"


def hidden_files(folder: Path) -> Differences:
    passed_over = "Passed over, as no pictures: 2 folders __MACOSX, 1 hidden file, 1 hidden folder."
    with TemporaryDirectory() as scratch:
        yield from looked_over(
            folder / "d.tar.gz", "d", "folder", "8 pictures in 8 groups", passed_over, scratch=Path(scratch)
        )


def links_and_folders(folder: Path) -> Differences:
    for name, expected in (
        ("a", "Files that can't be read: 1. • benign/dead.jpg: It can't be opened: No such file or directory"),
        ("b", "1 folder named like a picture"),
    ):
        with TemporaryDirectory() as scratch:
            yield from looked_over(folder / f"{name}.tar.gz", name, "folder", expected, scratch=Path(scratch))


def bach_as_published(folder: Path) -> Differences:
    for below in ("ICIAR2018_BACH_Challenge", "ICIAR2018_BACH_Challenge/Photos"):
        with TemporaryDirectory() as scratch:
            yield from looked_over(
                folder / "bach.tar.gz", below, "bach", "8 pictures in 1 group", "All files can be read",
                scratch=Path(scratch),
            )  # fmt: skip


def other_suffixes(folder: Path) -> Differences:
    with TemporaryDirectory() as scratch:
        expected = ("10 pictures in 10 groups", "Passed over, as no pictures: 1 file without a suffix.")
        yield from looked_over(folder / "d.tar.gz", "d", "folder", *expected, scratch=Path(scratch))


def bad_file_before_a_fit(folder: Path) -> Differences:
    """Beside the hidden file of the case, which is passed over: an empty file and a page of HTML."""
    with TemporaryDirectory() as scratch:
        with tarfile.open(folder / "d.tar.gz") as packed:
            packed.extractall(scratch, filter="data")
        data = Path(scratch) / "d"
        (data / "benign" / "empty.jpg").touch()
        (data / "invasive" / "page.jpg").write_text("<html>404</html>")
        for words in (("data", "split"), ("fit",), ("crossval",)):
            status, printed = trained(*words, folder / "my.toml", "--data", data)
            expected = ("benign/empty.jpg", "invasive/page.jpg", "2 of 10 picture files", "loupe-train data check")
            if status != 1 or not all(words in printed for words in expected):
                yield f"{' '.join(words)}: status {status}, {printed!r}"


# Folder's number → what is checked. A folder that isn't here is printed as not checked.
CASES: dict[str, Callable[[Path], Differences]] = {
    "01": same_words_each_time,
    "02": jpeg_damaged,
    "03": xmp_orientation,
    "04": white_is_zero,
    "05": planar,
    "06": big_tiff,
    "07": tiff_cut_off,
    "08": png_large_metadata,
    "09": keys_that_are_none,
    "10": samples_damaged,
    "11": groups_as_excel_saves_them,
    "12": hidden_files,
    "13": links_and_folders,
    "14": overlay_unwritable,
    "15": zero_bytes,
    "16": reduced_pages,
    "17": bach_as_published,
    "18": other_suffixes,
    "19": varieties,
    "20": alpha_all_zero,
    "21": twelve_in_sixteen,
    "22": addresses,
    "23": bad_file_before_a_fit,
}


def run(folder: Path) -> list[str] | None:
    """What differs in a case; None where nothing checks it. Whatever a check raises is a difference too."""
    check = CASES.get(folder.name[:2])
    if check is None:
        return None
    try:
        with redirect_stderr(StringIO()):
            return list(check(folder))
    except Exception as failure:
        return [f"{type(failure).__name__}: {failure}"]


def main(asked: list[str]) -> int:
    """Print a line a case. Returns how many differ."""
    differing = 0
    for folder in sorted(path for path in FOLDER.iterdir() if path.is_dir()):
        if asked and folder.name[:2] not in asked:
            continue
        differences = run(folder)
        differing += bool(differences)
        verdict = "not checked" if differences is None else "ok" if not differences else "; ".join(differences)
        print(f"{folder.name:36} {verdict}")
    return differing


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
