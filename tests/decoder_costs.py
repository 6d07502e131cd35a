"""What decoders cost: `python tests/decoder_costs.py` prints version, licence, size on disk, what loading each takes, and
what looking for damage in a JPEG takes beside reading it.

CPU time and memory are those of the first file of its kind in a fresh process that has read a JPEG before, beyond the
second file's: what a box pays once.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import PIL.Image

# Package → the kind of file that needs it.
KINDS = {
    "simplejpeg": "JPEG",
    "pillow": "PNG",
    "imagecodecs": "TIFF",
    "pydicom": "DICOM",
    "pi-heif": "HEIC",
    "openslide-bin": "slides",
}

FIRST = """
import sys, time, warnings
sys.path[:0] = sys.argv[1].split(":")
warnings.simplefilter("ignore")
from torture import damage
from device.image import Limits, decode
def memory():
    return int(open("/proc/self/status").read().split("VmRSS:")[1].split()[0]) / 1024
first = next(damage.KINDS["JPEG"]())
file = open(sys.argv[2], "rb").read()
if sys.argv[3] != "JPEG":
    decode(first, Limits())
before, start = memory(), time.process_time()
decode(file, Limits())
once = time.process_time() - start
start = time.process_time()
decode(file, Limits())
print(f"{(once - (time.process_time() - start)) * 1e3:6.0f} ms {memory() - before:6.0f} MB")
"""


def first_file(kind: str, folder: Path) -> str:
    """Time and memory that the first file of a kind takes beyond the second."""
    from torture import damage

    files = list(damage.KINDS[kind]())
    (folder / kind).write_bytes(files[1 if kind == "TIFF" else 0])
    tests = Path(__file__).parent
    command = [sys.executable, "-c", FIRST, f"{tests}:{tests.parent}", str(folder / kind), kind]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def fastest_ms(action: Callable[[], object]) -> float:
    times = []
    for _ in range(7):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times) * 1e3


def print_damage_costs() -> None:
    """CPU time to look for damage in JPEGs, and to decode them as a field is read."""
    from drawn_files import encode, tissue

    from device.formats.jpeg import check_whole, walk
    from device.image import Limits, decode

    print("JPEG                        look for damage   read, that included")
    for width, height in ((768, 576), (2048, 1536), (5184, 3888)):
        for progressive in (False, True):
            noise = np.random.default_rng(0).normal(0, 5, (height, width, 3))
            picture = PIL.Image.fromarray(np.clip(np.asarray(tissue(width, height)) + noise, 0, 255).astype(np.uint8))
            data = encode(picture, "JPEG", quality=90, progressive=progressive)
            look = fastest_ms(lambda data=data: check_whole(list(walk(data))))
            read = fastest_ms(lambda data=data: decode(data, Limits(), 512 * 384))
            name = f"{width} × {height}{', progressive' if progressive else ''}"
            print(f"{name:28} {look:12.1f} ms {read:18.1f} ms")


def main() -> None:
    import tempfile

    print(f"{'package':18} {'version':12} {'MB':>6}  {'first file':>18}  licence")
    with tempfile.TemporaryDirectory() as folder:
        for package, kind in KINDS.items():
            found = distribution(package)
            files = [Path(str(found.locate_file(file))) for file in found.files or () if "__pycache__" not in str(file)]
            megabytes = sum(file.stat().st_size for file in files) / 1e6
            named = [line for line in found.metadata.get_all("Classifier", []) if line.startswith("License ::")]
            licence = (
                found.metadata.get("License-Expression") or found.metadata.get("License") or ", ".join(named) or "?"
            )
            once = first_file(kind, Path(folder))
            print(f"{package:18} {found.version:12} {megabytes:6.1f}  {once:>18}  {licence.splitlines()[0][:60]}")

    print_damage_costs()


if __name__ == "__main__":
    main()
