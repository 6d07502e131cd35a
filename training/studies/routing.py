"""How several bundles on one box share out the pictures of some sets: `loupe-train routing`.

A set is a shipped recipe's data or a folder of pictures. Each picture is read by the box's own router. Pictures that a
bundle was trained on look more ordinary to it than new ones of their kind: of a model's own set the column of the *other*
models is the measurement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from device.reading.routing import Routed, Router
from training.data import find_samples, picture_bytes
from training.data.pictures import counted
from training.data.sample import evenly
from training.evaluation.refusals import folder_pictures
from training.evaluation.words import markdown_table
from training.recipe import load_recipe


@dataclass(frozen=True)
class Shared:
    """Of one set: pictures that each model read, that it would have read alone, and in whose words pictures were refused;
    how many several models accepted; seconds for all."""

    name: str
    n: int
    read: Counter[str]
    accepted: Counter[str]
    refused: Counter[str]
    several: int
    seconds: float


def pictures_of(name: str, shared: Path, most: int) -> tuple[str, list[bytes]]:
    """A set's name and the bytes of at most `most` of its pictures, evenly spaced over the sorted list: of the folder
    `name`, else of the shipped recipe `name` with its data below `shared`."""
    if Path(name).is_dir():
        pictures = folder_pictures(Path(name))
        return Path(name).name, evenly(pictures, most)
    recipe = load_recipe(name)
    folder = recipe.data.folder_below(shared)
    samples = find_samples(recipe, folder)
    return recipe.id, [picture_bytes(folder, sample) for sample in evenly(samples, most)]


def share_out(router: Router, name: str, pictures: Sequence[bytes]) -> Shared:
    start = perf_counter()
    routed: list[Routed] = [router.read(data) for data in counted(pictures, name)]
    accepting = [[opinion.model for opinion in each.opinions if opinion.accepted] for each in routed]
    return Shared(
        name,
        len(routed),
        Counter(each.chosen.model for each in routed if each.chosen.accepted),
        Counter(model for models in accepting for model in models),
        Counter(each.chosen.model for each in routed if not each.chosen.accepted),
        sum(len(models) > 1 for models in accepting),
        perf_counter() - start,
    )


def as_table(rows: Sequence[Shared], models: Sequence[str]) -> str:
    """Markdown: a set a row; read by each model (in brackets: accepted by it), refused by all, accepted by several."""
    head = ["set", "n", *(f"read by {model}" for model in models), "refused by all", "in the words of", "several", "ms"]
    return markdown_table(
        head,
        [
            [
                row.name,
                str(row.n),
                *(f"{row.read[model]} ({row.accepted[model]})" for model in models),
                f"{row.refused.total()} ({row.refused.total() / row.n:.1%})",
                ", ".join(f"{model} {count}" for model, count in row.refused.most_common()) or "–",
                str(row.several),
                f"{1e3 * row.seconds / row.n:.0f}",
            ]
            for row in rows
        ],
    )
