"""Write down what a box runs, as a bill of materials: CycloneDX, in JSON.

    python provisioning/sbom.py        # of what wheelhouse.py collected: sbom.cdx.json beside the wheels of an architecture

`cyclonedx-py` lists the packages with licences and what needs what, as it finds them in an environment that holds what the
wheels say of themselves. To that come the hash of each wheel, the bundles in `models/` and the page's fonts. Libraries that
a wheel brings along, as libtiff in imagecodecs, are part of it and not listed. Same wheels, same bundles: the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path
from typing import Any

import vendor_fonts
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
NAME = "sbom.cdx.json"
Component = dict[str, Any]


def sha256(data: bytes) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": hashlib.sha256(data).hexdigest()}]


def listed_by_tool(wheels: list[Path]) -> dict[str, Any]:
    """What cyclonedx-py says of an environment with these wheels, of which it gets only what they say of themselves."""
    with tempfile.TemporaryDirectory() as scratch:
        venv.create(scratch)
        [packages] = Path(scratch).glob("lib/python*/site-packages")
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                metadata = [name for name in archive.namelist() if name.partition("/")[0].endswith(".dist-info")]
                archive.extractall(packages, metadata)
        command = [sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", str(ROOT / "pyproject.toml")]
        command += ["--output-reproducible", "--no-validate", "--spec-version", "1.6", f"{scratch}/bin/python"]
        return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def bundles() -> list[Component]:
    found = []
    for path in sorted((ROOT / "models").glob("*.loupe")):
        manifest = json.loads(zipfile.ZipFile(path).read("manifest.json"))
        found.append(
            {
                "type": "machine-learning-model",
                "bom-ref": f"{path.name}@{manifest['version']}",
                "name": manifest["id"],
                "version": manifest["version"],
                "hashes": sha256(path.read_bytes()),
            }
        )
    return found


def fonts() -> Component:
    name, _, version = vendor_fonts.PACKAGE.rpartition("@")
    return {
        "type": "data",
        "bom-ref": vendor_fonts.PACKAGE,
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": "OFL-1.1"}}],
        "purl": f"pkg:npm/{name.replace('@', '%40')}@{version}",
        "hashes": [{"alg": "SHA-256", "content": vendor_fonts.ARCHIVE_SHA256}],
    }


def bill(directory: Path) -> str:
    """The bill of materials of an architecture's wheels. Raises `SystemExit` where it is none by CycloneDX's schema."""
    wheels = {canonicalize_name(path.name.partition("-")[0]): path for path in sorted(directory.glob("*.whl"))}
    document = listed_by_tool(list(wheels.values()))
    own = document["metadata"]["component"]
    for component in (own, *document["components"]):
        component["hashes"] = sha256(wheels[canonicalize_name(component["name"])].read_bytes())
    document["components"] += [*bundles(), fonts()]
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise SystemExit(f"The bill of materials of {directory} isn't CycloneDX: {fault}")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheelhouse", type=Path, default=ROOT / "build" / "wheelhouse", help="default: %(default)s")
    options = parser.parse_args()
    directories = sorted(path.parent for path in options.wheelhouse.glob("*/requirements.txt"))
    if not directories:
        raise SystemExit(f"{options.wheelhouse} has no wheels: run python provisioning/wheelhouse.py")
    for directory in directories:
        (directory / NAME).write_text(bill(directory), encoding="utf-8")
        print(f"{directory / NAME}: {len(json.loads((directory / NAME).read_text())['components'])} components")


if __name__ == "__main__":
    main()
