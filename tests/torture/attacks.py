"""All attacks by name, and the mixed one: any bytes, whatever the others do."""

from __future__ import annotations

import random
import time
from typing import Any

from tests.torture import bodies, bombs, crowds, leaving, malformed, slow, texts
from tests.torture.attack import Attack
from tests.torture.wire import Target, failed

SINGLE = (
    Attack("silent", "connections that say nothing", slow.silent, clients=300),
    Attack("slow-line", "a request line that comes byte by byte", slow.slow_line, clients=64),
    Attack("slow-head", "a header field that comes byte by byte", slow.slow_head, clients=64),
    Attack("slow-fields", "header fields without end", slow.slow_fields, clients=64),
    Attack("slow-body", "a picture that comes byte by byte", slow.slow_body, clients=64),
    Attack("slow-json", "a small body that comes byte by byte", slow.slow_small_body, clients=64),
    Attack("slow-chunks", "chunks of one byte", slow.slow_chunks, clients=64),
    Attack("slow-extension", "a chunk's extension without end", slow.slow_extension, clients=64),
    Attack("slow-trailers", "trailers without end", slow.slow_trailers, clients=64),
    Attack("slow-form", "a file name that comes byte by byte", slow.slow_form, clients=64),
    Attack("never-continues", "a client that was told to go on and doesn't", slow.waits_to_continue, clients=64),
    Attack("unread", "a hundred requests at once, no answer read", slow.unread, clients=64),
    Attack("slow-reader", "answers read byte by byte", slow.slow_reader, clients=64),
    Attack("stays", "connections kept after an answer", slow.stays_after_an_answer, clients=300),
    Attack("thousand", "1,000 connections that say nothing", slow.silent, clients=1000),
    Attack("urgent", "bytes out of band", slow.urgent),
    Attack("comes-and-goes", "connections opened and closed at once", slow.comes_and_goes),
    Attack("unfinished", "25 bodies of 32 MB without their last bytes", bodies.unfinished, bodies.draw, 25),
    Attack("parts", "200 bodies of which some megabytes came", bodies.parts, bodies.draw, 200),
    Attack("hoard", "64 small bodies that never stand still and never end", bodies.hoard, bodies.draw, 64),
    Attack("whole-bodies", "bodies of 32 MB of nothing", bodies.whole, bodies.draw, 16),
    Attack("small-chunks", "bodies in small chunks, at full speed", bodies.small_chunks),
    Attack("endless-body", "chunks without end", bodies.without_end, bodies.draw, 16),
    Attack("too-large", "lengths beyond the limit", bodies.too_large),
    Attack("bombs", "pictures that cost more than they weigh", bombs.send_any, bombs.draw, 16),
    Attack("unicode", "texts whose normal form is dear", texts.send, texts.draw_unicode, 16),
    Attack("json", "deep, broad and strange JSON", texts.send, texts.draw_json, 16),
    Attack("queries", "long and strange paths, queries, fields", texts.send, texts.draw_queries),
    Attack("forms", "forms of many and endless parts", texts.send, texts.draw_forms, 16),
    Attack("names", "names, as fast as they are taken", texts.give_name),
    Attack("imports", "imports of names", texts.send, texts.draw_imports, 8),
    Attack("malformed", "requests that break HTTP's rules", malformed.send, malformed.draw),
    Attack("junk", "bytes by chance", malformed.junk),
    Attack("leaving", "clients that leave at any byte", leaving.leave, leaving.draw),
    Attack(
        "left-at-once", "fields whose connection is reset when they are sent", leaving.leave_at_once, leaving.draw, 16
    ),
    Attack("left-answers", "answers of which some is read, then reset", leaving.leave_answers),
    Attack("left-sections", "sections that nobody waits for", leaving.leave_sections, leaving.draw, 16),
    Attack("fields-32", "32 clients with fields", crowds.send, crowds.draw_fields, alike=True),
    Attack("fields-50", "50 clients with fields", crowds.send, crowds.draw_fields, 50, alike=True),
    Attack("sections", "32 clients with sections", crowds.send, crowds.draw_sections),
    Attack("large", "honest large pictures of all formats", crowds.send, crowds.draw_large),
    Attack("scales", "pictures made huge or tiny by the size of their pixels", crowds.send, crowds.draw_scales),
    Attack("previews", "32 clients with previews", crowds.send, crowds.draw_previews),
    Attack("dear-previews", "12 clients with large previews", crowds.send, crowds.draw_dear_previews, 12),
    Attack("gets", "32 clients with all pages", crowds.get),
    Attack("units", "32 clients with the largest answer", crowds.get_one("/api/v1/units")),
    Attack("readyz", "32 clients that ask whether it is ready", crowds.get_one("/readyz")),
)


def draw_mixed(rng: random.Random) -> dict[str, Any]:
    made: dict[Any, Any] = {}
    for attack in SINGLE:
        if attack.draw not in made:
            made[attack.draw] = attack.draw(rng)
    return {attack.name: made[attack.draw] for attack in SINGLE}


def mixed(target: Target, drawn: dict[str, Any], rng: random.Random) -> str:
    """One round of any other attack; those that would hold on to the end are left after a while."""
    attack = rng.choice(SINGLE)
    until = min(target.until, time.monotonic() + rng.choice((0.2, 1.0, 3.0, 10.0, 60.0)))
    shorter = Target(target.port, target.source, until)
    try:
        return attack.act(shorter, drawn[attack.name], rng)
    except OSError as error:
        return failed(shorter, error)


# One or two of each kind, for CI; the mixed attack has all of them.
SHORT = (
    "silent",
    "slow-body",
    "unread",
    "parts",
    "unicode",
    "imports",
    "malformed",
    "leaving",
    "fields-32",
    "sections",
    "mixed",
)
ATTACKS = {attack.name: attack for attack in (*SINGLE, Attack("mixed", "all of these by chance", mixed, draw_mixed))}
