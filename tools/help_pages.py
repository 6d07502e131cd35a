"""The box's own help: docs/clinic and docs/technicians as pages that the box serves without internet.

    python -m tools.help_pages        (or `make help-pages`)

The Markdown is turned into HTML here and not on the box, which so needs no renderer. What is written goes into the wheel: a
template for each page and language, and the pictures. A test says when they are stale.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

import markdown
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
# The pages of `device/web/views/help.py`. Technicians' pages are in English alone.
SOURCES = {
    "clinic": {"en": DOCS / "clinic" / "index.md", "fr": DOCS / "clinic" / "index.fr.md"},
    "technicians": {"en": DOCS / "technicians" / "index.md"},
    "commissioning": {"en": DOCS / "technicians" / "commissioning.md"},
    "settings": {"en": DOCS / "technicians" / "settings.md"},
}
ADDRESSES = {
    SOURCES["clinic"]["en"]: "/help",
    SOURCES["technicians"]["en"]: "/help/technicians",
    SOURCES["commissioning"]["en"]: "/help/commissioning",
    SOURCES["settings"]["en"]: "/help/settings",
}
TEMPLATES = ROOT / "device" / "web" / "templates" / "help"
PICTURES = ROOT / "device" / "web" / "static" / "help"
EXTENSIONS = ["tables", "toc"]

PICTURE = re.compile(r"!\[([^\]]*)\]\(\.\./images/([\w.-]+)\)")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!#)([^)#\s]+)(#[^)\s]*)?\)")


def pictures_in(text: str) -> list[str]:
    """The files that a page shows."""
    return [name for _, name in PICTURE.findall(text)]


def _figure(match: re.Match[str]) -> str:
    words, name = match.groups()
    with Image.open(ROOT / "docs" / "images" / name) as picture:
        width, height = picture.size
    size = f'width="{width}" height="{height}"'
    return f'<img src="/static/help/{name}" alt="{escape(words)}" {size} loading="lazy">'


def headings(text: str) -> list[tuple[int, str, str]]:
    """A page's headings below its title: level, id, words."""
    renderer = markdown.Markdown(extensions=EXTENSIONS)
    renderer.convert(text)
    (title,) = renderer.toc_tokens
    found = list[tuple[int, str, str]]()
    waiting = list(title["children"])
    while waiting:
        token = waiting.pop(0)
        found.append((token["level"], token["id"], token["name"]))
        waiting = [*token["children"], *waiting]
    return found


def rendered(page: str, language: str) -> str:
    """A page of the help in one language, as a template's text. Links to pages that the box doesn't hold keep their words
    alone.

    A section has the same id in each language, so that any page of the box may lead to it.
    """
    source = SOURCES[page][language]

    def link(match: re.Match[str]) -> str:
        words, target, section = match[1], match[2], match[3] or ""
        address = ADDRESSES.get((source.parent / target).resolve())
        return f"[{words}]({address}{section})" if address else words

    text = source.read_text(encoding="utf-8")
    own, shared = headings(text), headings(SOURCES[page]["en"].read_text(encoding="utf-8"))
    body = markdown.markdown(LINK.sub(link, PICTURE.sub(_figure, text)), extensions=EXTENSIONS)
    for (_, own_id, _), (_, shared_id, _) in zip(own, shared, strict=True):
        body = body.replace(f' id="{own_id}"', f' id="{shared_id}"', 1)
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    contents = "".join(
        f'<li class="level-{level}"><a href="#{shared_id}">{words}</a></li>\n'
        for (level, _, words), (_, shared_id, _) in zip(own, shared, strict=True)
    )
    head = f"{{# Written by tools/help_pages.py from {source.relative_to(ROOT)}. #}}\n"
    nav = f'<nav class="contents">\n<ul>\n{contents}</ul>\n</nav>\n'
    return f'{head}{nav}<article class="help card">\n{body}\n</article>\n'


def files() -> dict[Path, bytes]:
    """All that the help consists of."""
    pages = [(page, language) for page, languages in SOURCES.items() for language in languages]
    written = {TEMPLATES / f"{page}.{language}.html": rendered(page, language).encode() for page, language in pages}
    texts = [SOURCES[page][language].read_text(encoding="utf-8") for page, language in pages]
    shown = {name for text in texts for name in pictures_in(text)}
    return written | {PICTURES / name: (DOCS / "images" / name).read_bytes() for name in sorted(shown)}


def main() -> None:
    wanted = files()
    for folder in (TEMPLATES, PICTURES):
        folder.mkdir(exist_ok=True)
        for file in folder.iterdir():
            if file not in wanted:
                file.unlink()
    for file, content in wanted.items():
        file.write_bytes(content)
        print(f"wrote {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
