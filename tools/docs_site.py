"""MkDocs' hook: pages that stand outside docs/ join the site, and links between all pages hold on the site as they do here.

SECURITY.md, CONTRIBUTING.md, CHANGELOG.md and the model cards have their own places in the repository. A link to any other
file outside docs/ has no page on the site, so its words stay and the link goes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
# Where a page stands in the repository, and its place on the site.
GUESTS = {
    "SECURITY.md": "engineers/security.md",
    "CONTRIBUTING.md": "engineers/contributing.md",
    "CHANGELOG.md": "changelog.md",
} | {f"models/{card.name}": f"models/{card.name}" for card in sorted((ROOT / "models").glob("*.md"))}
HOSTS = {place: source for source, place in GUESTS.items()}
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/."""
    for source, place in GUESTS.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Turn a page's links from places in the repository into places on the site."""
    return with_links_of_the_site(markdown, page.file.src_uri)


def with_links_of_the_site(markdown: str, place: str) -> str:
    """The text of the page at `place` of the site with its links to other pages as the site has them."""
    source = PurePosixPath(HOSTS.get(place, f"docs/{place}"))

    def link(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        aim = os.path.normpath(source.parent / target)
        if aim in GUESTS:
            aim = GUESTS[aim]
        elif aim.startswith("docs/"):
            aim = aim.removeprefix("docs/")
        else:
            return words
        return f"[{words}]({os.path.relpath(aim, PurePosixPath(place).parent)}{anchor})"

    return LINK.sub(link, markdown)
