"""The drawing in docs/engineers/architecture.md: the floors of device/, training/ beside them, who imports whom, and the
way of a picture.

    python -m tools.drawing        (or `make drawing`)

Nothing in it is drawn by hand. The floors and their order are those of the contract of imports in pyproject.toml, the names
are the modules that are there, and each line on the left is an import that grimp found in the code. An import that goes up
is drawn in red, dashed. Each step of a picture names the import that makes it possible, and can't be drawn without that. A
test says when the file is stale.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docs" / "images" / "floors.svg"
BESIDE = "training"

# What a floor holds, in a line.
HOLDS = {
    "device.cli": "the command line: loupe read, serve, verify, bench",
    "device.web": "the service: who may ask, who is read next, pages and API",
    "device.documents": "what goes out: readings, health and cards, in words",
    "device.storage": "what is kept: names of units, counts, versions served",
    "device.settings": "what a technician sets",
    "device.reading": "from a file's bytes to numbers: formats, gate, network, maps",
    "device.base": "what all floors use: errors, words, files, log, processes",
    BESIDE: "on a workstation: from data sets to signed bundles",
}

# The way of a picture: the floors it goes from and to (`BROWSER` is outside the house), what happens, and the import by
# which the code does it.
BROWSER = "browser, program"
WEB, DOCUMENTS, STORAGE, READING = "device.web", "device.documents", "device.storage", "device.reading"
WAY = (
    (BROWSER, WEB, "A picture comes in. Door and guards check the request.", ("web.views.readings", "web.desks.desk")),
    (WEB, READING, "A desk has it read: decoding, network, gate, maps.", ("web.desks.desk", "reading.routing")),
    (READING, DOCUMENTS, "The reading becomes a document in words.", ("documents.reading_document", "reading.routing")),
    (DOCUMENTS, WEB, "The desk hands the document back.", ("web.desks.desk", "documents.reading_document")),
    (WEB, STORAGE, "The drift watch counts p-values.", ("web.box", "storage.drift")),
    (WEB, BROWSER, "The answer goes out. The picture is dropped.", ("web.views.readings", "web.answers")),
)

# All lengths are in pixels of the drawing.
WIDTH, MARGIN, HOUSE, ANNEXE, GAP, LINE, PAD, CORNER = 1000, 20, 560, 260, 26, 17, 12, 8
ANNEXE_BELOW = 42  # the top of `reading`: the way of a picture passes above
LANE, STUB = 18, 9  # between the lanes left of the house, and between the lines that leave a floor
HOUSE_X, ANNEXE_X = MARGIN + 120, WIDTH - MARGIN - ANNEXE
# Right of the house: lanes of the way, how far below a floor's top each step leaves or enters it, and the words.
WAY_LANE, WAY_LEAVES, WAY_ENTERS = (120, 70, 54, 22, 38, 150), (0, 70, 14, 18, 58, 28), (14, 28, 34, 44, 24, 0)
WORDS_X, BROWSER_HEIGHT = HOUSE_X + HOUSE + 100, 40
LETTER = 6.6  # mean width of a letter of the small text

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1d2b33 }
  .title { font-weight: 600; font-size: 15px }
  .holds { fill: #40525c }
  .ground { fill: #ffffff }
  .floor { fill: #eef5f8; stroke: #0d4f66; stroke-width: 1.5 }
  .arrow { fill: none; stroke: #0d4f66; stroke-width: 1.5 }
  .head { fill: #0d4f66 }
  .up { stroke: #c62828; stroke-dasharray: 5 3 }
  .way { fill: none; stroke: #b83a00; stroke-width: 2 }
  .way-head, .step { fill: #b83a00 }
  .number { fill: #ffffff; font-weight: 600; text-anchor: middle }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4edf1 }
    .holds { fill: #b3c4cc }
    .ground { fill: #12191d }
    .floor { fill: #1b2a32; stroke: #6fb6d0 }
    .arrow { stroke: #6fb6d0 }
    .head { fill: #6fb6d0 }
    .up { stroke: #ff8a80 }
    .way { stroke: #ff9a5c }
    .way-head, .step { fill: #ff9a5c }
    .number { fill: #12191d }
  }
"""


@dataclass(frozen=True)
class Floor:
    """One box: its modules of the contract (`device.web`, or several that stand side by side), and what lies in them."""

    modules: tuple[str, ...]
    contents: tuple[str, ...]
    x: int
    y: int
    width: int
    height: int

    @property
    def title(self) -> str:
        return " · ".join(name.removeprefix("device.") for name in self.modules)


def floors_of_contract() -> list[tuple[str, ...]]:
    """The floors, the highest first, as the contract of imports in pyproject.toml orders them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (contract,) = (each for each in contracts if each.get("containers") == ["device"])
    return [
        tuple(f"device.{name.strip()}" for name in layer.replace(":", "|").split("|")) for layer in contract["layers"]
    ]


def contents(graph: grimp.ImportGraph, modules: tuple[str, ...]) -> tuple[str, ...]:
    """What lies directly in the modules: packages first, with a stroke, then modules."""
    children = [child for module in modules for child in graph.find_children(module)]
    packages = sorted(child for child in children if graph.find_children(child))
    names = [f"{child.rpartition('.')[2]}/" for child in packages]
    return (*names, *sorted(child.rpartition(".")[2] for child in children if child not in packages))


def in_lines(words: tuple[str, ...], width: int, between: str) -> list[str]:
    """Words in lines that fit into a box."""
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(between) + len(word) > (width - 2 * PAD) / LETTER:
            lines.append("")
        lines[-1] += f"{between}{word}" if lines[-1] else word
    return lines


def text_of(modules: tuple[str, ...], names: tuple[str, ...], width: int) -> tuple[list[str], list[str]]:
    """What a box holds, in words, and the names in it, both in lines."""
    holds = HOLDS[next(name for name in modules if name in HOLDS)]
    return in_lines(tuple(holds.split()), width, " "), in_lines(names, width, "  ") if names else []


def placed(graph: grimp.ImportGraph) -> tuple[list[Floor], Floor]:
    """The floors from the roof to the ground, and training/ beside those that it imports."""
    house, y = list[Floor](), MARGIN
    for modules in floors_of_contract():
        names = contents(graph, modules)
        lines = sum(map(len, text_of(modules, names, HOUSE)))
        height = max(PAD + LINE * (1 + lines) + PAD, STUB * 8)
        house.append(Floor(modules, names, HOUSE_X, y, HOUSE, height))
        y += height + GAP
    (reading,) = (floor for floor in house if "device.reading" in floor.modules)
    top = reading.y + ANNEXE_BELOW
    names = contents(graph, (BESIDE,))
    needed = PAD + LINE * (1 + sum(map(len, text_of((BESIDE,), names, ANNEXE)))) + PAD
    return house, Floor((BESIDE,), names, ANNEXE_X, top, ANNEXE, max(needed, y - GAP - top))


def box(floor: Floor) -> Iterator[str]:
    yield f'<rect class="floor" x="{floor.x}" y="{floor.y}" width="{floor.width}" height="{floor.height}" rx="{CORNER}"/>'
    x, y = floor.x + PAD, floor.y + PAD + LINE - 5
    yield f'<text class="title" x="{x}" y="{y}">{escape(floor.title)}</text>'
    holds, names = text_of(floor.modules, floor.contents, floor.width)
    for kind, line in [*(("holds", line) for line in holds), *(("names", line) for line in names)]:
        y += LINE
        yield f'<text class="{kind}" x="{x}" y="{y}" xml:space="preserve">{escape(line)}</text>'


def imports(graph: grimp.ImportGraph, importer: Floor, imported: Floor) -> bool:
    """Whether anything in one floor imports anything in the other."""
    return any(
        graph.direct_import_exists(importer=upper, imported=lower, as_packages=True)
        for upper in importer.modules
        for lower in imported.modules
    )


def line(path: str, *, up: bool = False, head: bool = False) -> str:
    marker = ' marker-end="url(#head)"' if head else ""
    return f'<path class="arrow{" up" if up else ""}" d="{path}"{marker}/>'


def lines_of_the_house(graph: grimp.ImportGraph, house: list[Floor]) -> Iterator[str]:
    """For each floor a lane that ends in it, and a line into that lane, with a dot, from each floor that imports it."""
    for at, imported in enumerate(house):
        importers = [floor for floor in house if floor is not imported and imports(graph, floor, imported)]
        if not importers:
            continue
        x = imported.x - LANE * at
        end = imported.y + STUB
        starts = [floor.y + STUB * (1 + at) for floor in importers]
        yield line(f"M{x} {min(*starts, end)}V{max(*starts, end)}")
        yield line(f"M{x} {end}H{imported.x - 2}", head=True)
        for floor, start in zip(importers, starts, strict=True):
            yield line(f"M{floor.x} {start}H{x}", up=floor.y > imported.y)
            yield f'<circle class="head" cx="{x}" cy="{start}" r="3"/>'


def lines_of_the_annexe(graph: grimp.ImportGraph, house: list[Floor], annexe: Floor) -> Iterator[str]:
    """An arrow to each floor that training/ imports: a level one to those that stand beside it."""
    for at, floor in enumerate(house):
        side, middle = floor.x + floor.width, floor.y + floor.height // 2
        if imports(graph, annexe, floor):
            level = floor.y + floor.height > annexe.y
            start = f"M{annexe.x} {middle}" if level else f"M{annexe.x + LANE * (1 + at)} {annexe.y}V{middle}"
            yield line(f"{start}H{side + 2}", up=not level, head=True)
        if imports(graph, floor, annexe):
            yield line(f"M{side} {floor.y + STUB}H{annexe.x + LANE}V{annexe.y}", up=True, head=True)


def way_of_a_picture(graph: grimp.ImportGraph, house: list[Floor]) -> Iterator[str]:
    """A numbered arrow for each step, and what happens in it. Raises `ValueError` where the code has another way now."""
    tops = {module: floor.y for floor in house for module in floor.modules} | {BROWSER: MARGIN + BROWSER_HEIGHT}
    side = HOUSE_X + HOUSE
    width = WIDTH - MARGIN - WORDS_X
    yield f'<rect class="floor" x="{WORDS_X}" y="{MARGIN}" width="{width}" height="{BROWSER_HEIGHT}" rx="{CORNER}"/>'
    yield f'<text class="title" x="{WORDS_X + PAD}" y="{MARGIN + PAD + LINE - 4}">{BROWSER}</text>'
    for at, (source, target, _, (importer, imported)) in enumerate(WAY):
        if not graph.direct_import_exists(importer=f"device.{importer}", imported=f"device.{imported}"):
            raise ValueError(f"step {at + 1} of a picture rests on an import that is gone: {importer} of {imported}")
        x, start, end = side + WAY_LANE[at], tops[source] + WAY_LEAVES[at], tops[target] + WAY_ENTERS[at]
        from_side = f"M{x} {start}" if source == BROWSER else f"M{side} {start}H{x}"
        to_side = f"V{end + 3}" if target == BROWSER else f"V{end}H{side + 3}"
        yield f'<path class="way" d="{from_side}{to_side}" marker-end="url(#way-head)"/>'
        middle = (start + end) // 2
        yield f'<circle class="step" cx="{x}" cy="{middle}" r="8"/>'
        yield f'<text class="number" x="{x}" y="{middle + 4}">{at + 1}</text>'
    y = tops[DOCUMENTS] - 4
    yield f'<text class="title" x="{WORDS_X}" y="{y}">The way of a picture</text>'
    for at, (_, _, words, _) in enumerate(WAY):
        y += LINE + 5
        yield f'<circle class="step" cx="{WORDS_X + 8}" cy="{y - 4}" r="8"/>'
        yield f'<text class="number" x="{WORDS_X + 8}" y="{y}">{at + 1}</text>'
        for line_at, words_in_line in enumerate(in_lines(tuple(words.split()), width, " ")):
            y += LINE if line_at else 0
            yield f'<text x="{WORDS_X + 24}" y="{y}">{escape(words_in_line)}</text>'


def drawn() -> str:
    """The drawing, as SVG."""
    graph = grimp.build_graph("device", BESIDE, cache_dir=None)
    house, annexe = placed(graph)
    height = max(floor.y + floor.height for floor in (*house, annexe)) + MARGIN
    boxes = [part for floor in (*house, annexe) for part in box(floor)]
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="name">',
            '<title id="name">The floors of device/, training/ beside them, and who imports whom</title>',
            f"<style>{STYLE}</style>",
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">',
            '<path class="head" d="M0 0L8 4L0 8Z"/></marker>',
            '<marker id="way-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">',
            '<path class="way-head" d="M0 0L8 4L0 8Z"/></marker></defs>',
            f'<rect class="ground" width="{WIDTH}" height="{height}" rx="{CORNER}"/>',
            *boxes,
            *lines_of_the_house(graph, house),
            *lines_of_the_annexe(graph, house, annexe),
            *way_of_a_picture(graph, house),
            "</svg>\n",
        )
    )


if __name__ == "__main__":
    FILE.write_text(drawn(), encoding="utf-8")
    print(f"wrote {FILE.relative_to(ROOT)}")
