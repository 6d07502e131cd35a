"""A data set's facts (`training/data/check.py`) as a table in the terminal and as one self-contained page.

The page holds small copies of pictures (a contact sheet), so it stays with the data: it is never published.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import PIL.Image
from jinja2 import Environment, FileSystemLoader
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from device.base.errors import ImageError
from device.reading.image import decode_in_process
from training.data.check import Check
from training.data.leaks import NEAR
from training.data.pictures import LIMITS, picture_bytes
from training.data.sample import Sample

PAGE, FACTS = "check.html", "check.json"
TEMPLATE = "check.html.j2"
PER_CLASS = 16  # pictures of the contact sheet
THUMBNAIL_PX = 96
SHOWN = 40  # groups in the figure, rows of a list
# Okabe and Ito's colours, which the colour-blind tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")


def print_check(checked: Check, console: Console) -> None:
    """Counts as a table, then in sentences what would mislead."""
    table = Table(title=f"{checked.folder} ({checked.adapter})", title_justify="left")
    table.add_column("group")
    for label in checked.labels:
        table.add_column(label, justify="right")
    biggest = np.argsort(-checked.table.sum(axis=1), kind="stable")[:SHOWN]
    for index in sorted(biggest):
        table.add_row(checked.groups[index], *(str(n) if n else "·" for n in checked.table[index]))
    if len(checked.groups) > SHOWN:
        rest = checked.table.sum(axis=0) - checked.table[biggest].sum(axis=0)
        table.add_row(f"{len(checked.groups) - SHOWN} others", *(str(n) for n in rest))
    table.add_section()
    table.add_row("pictures", *(str(n) for n in checked.table.sum(axis=0)), style="bold")
    table.add_row("groups", *(str(n) for n in (checked.table > 0).sum(axis=0)), style="bold")
    console.print(table)
    for sentence in sentences(checked):
        console.print(f"• {sentence}", highlight=False, markup=False)


def sentences(checked: Check) -> list[str]:
    """What the figures mean, the most general first."""
    sizes = ", ".join(f"{size} px ({n})" for size, n in checked.sizes[:4])
    more = f" and {len(checked.sizes) - 4} other sizes" if len(checked.sizes) > 4 else ""
    scale = ", ".join(f"{um:g}" for um in checked.um_per_px) or "not known"
    windows = "" if checked.files == len(checked.samples) else f" (windows of {checked.files} files)"
    groups = "1 group" if len(checked.groups) == 1 else f"{len(checked.groups)} groups"
    per_class = checked.table.sum(axis=0)
    identical = [copy for copy in checked.copies if copy.distance is None]
    near = [copy for copy in checked.copies if copy.distance is not None]
    across = [copy for copy in checked.copies if not copy.same_group]
    listed = [
        f"{len(checked.samples)} pictures{windows} in {groups}. Files: {sizes}{more}. µm/px: {scale}.",
        f"The largest class has {per_class.max() / per_class.min():.1f} times the pictures of the smallest.",
        *checked.confounding.words(),
        f"Pairs of files with the same picture: {len(identical)} identical, {len(near)} near-identical (at most {NEAR} of "
        f"256 bits of their perceptual hashes differ). Of these, {len(across)} lie in two groups and "
        f"{sum(not copy.same_class for copy in checked.copies)} in two classes.",
    ]
    if across:
        listed.append("Pairs in two groups leak when a split divides them: put them into one group (--groups).")
    if checked.flat:
        listed.append(f"{checked.flat} files are flat (blank or nearly) and were not compared.")
    listed += _unreadable_sentences(checked)
    return [*listed, *checked.notes]


def _unreadable_sentences(checked: Check) -> list[str]:
    """Each file that can't be read with the reason, as far as they fit; the page lists all."""
    if not checked.unreadable:
        return ["All files can be read."]
    named = [f"{file}: {problem.words} [{problem.code}]" for file, problem in checked.unreadable[:SHOWN]]
    more = f" The first {SHOWN} of them, the page lists all:" if len(checked.unreadable) > SHOWN else ""
    return [f"Files that can't be read: {len(checked.unreadable)}.{more}", *named]


def write_check(checked: Check, folder: Path) -> Path:
    """Write the page and the facts as JSON into a folder; the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FACTS).write_text(json.dumps(checked.to_dict(), indent=1, ensure_ascii=False), encoding="utf-8")
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    text = pages.get_template(TEMPLATE).render(
        checked=checked,
        sentences=sentences(checked),
        figure=_balance(checked),
        sheet=_contact_sheet(checked),
        shown=SHOWN,
    )
    page = folder / PAGE
    page.write_text(text, encoding="utf-8")
    return page


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _balance(checked: Check) -> str:
    """The class-balance figure as a data URI: pictures by class, and by group and class."""
    largest = np.argsort(-checked.table.sum(axis=1), kind="stable")[:SHOWN]
    heights = (0.8 + 0.3 * len(checked.labels), 0.8 + 0.19 * len(largest))
    figure = Figure(figsize=(9, sum(heights)), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=heights)
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(checked.labels))]
    bars = above.barh(checked.labels, checked.table.sum(axis=0), color=colours)
    above.bar_label(bars, padding=2, fontsize=8)
    above.margins(x=0.1)
    above.invert_yaxis()
    above.set_xlabel("pictures")
    before = np.zeros(len(largest))
    for index, label in enumerate(checked.labels):
        counts = checked.table[largest, index]
        below.barh(range(len(largest)), counts, left=before, color=colours[index], label=label)
        before += counts
    below.set_yticks(range(len(largest)), [checked.groups[i][-28:] for i in largest], fontsize=7)
    below.invert_yaxis()
    below.set_xlabel(f"pictures in each of the {len(largest)} largest of {len(checked.groups)} groups")
    below.legend(fontsize=8, loc="lower right")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _data_uri(buffer.getvalue(), "image/svg+xml")


def _contact_sheet(checked: Check) -> dict[str, list[tuple[str, str]]]:
    """By label: data URIs of small pictures with what they are."""
    return {
        label: [(_thumbnail(checked.folder, sample), _caption(sample)) for sample in _spread(checked.samples, index)]
        for index, label in enumerate(checked.labels)
    }


def _spread(samples: list[Sample], label: int) -> list[Sample]:
    """Some samples of a class, of as many groups as possible."""
    members: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.label == label:
            members.setdefault(sample.group, []).append(sample)
    turns = max(len(group) for group in members.values())
    queue = [group[turn * len(group) // turns] for turn in range(turns) for group in members.values()]
    first_of_each = list(dict.fromkeys(queue))[: max(PER_CLASS, len(members))]
    step = max(1, len(first_of_each) // PER_CLASS)
    return first_of_each[::step][:PER_CLASS]


def _caption(sample: Sample) -> str:
    window = "" if sample.box is None else f", window {sample.box}"
    extra = "".join(f", {name} {value}" for name, value in sample.extra.items())
    return f"{sample.file}{window}, group {sample.group}{extra}"


def _thumbnail(folder: Path, sample: Sample) -> str:
    try:
        pixels = decode_in_process(picture_bytes(folder, sample), LIMITS).pixels
    except (ImageError, OSError):
        return ""  # the page's list of unreadable files names it
    picture = PIL.Image.fromarray(pixels)
    picture.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return _data_uri(buffer.getvalue(), "image/jpeg")
