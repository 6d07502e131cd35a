"""The pictures that ship with a box: samples that the page offers, and the golden pictures in a bundle.

None of them shows a patient's tissue, because images of patients can't be given away with the software:

- textures: a drawn field changed until a trained network's statistics are a class's average (`training.drawn.textures`);
- phantoms: fields drawn by our own code, with known truth (`training.drawn.phantoms`);
- foreign: pictures that the gate must refuse (`training.drawn.foreign`).

    loupe-train samples bach
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.drawn import foreign
from training.drawn.phantoms import KINDS, draw

if TYPE_CHECKING:
    import keras

    from training.fitting.fit import Run

Picture = NDArray[np.uint8]
Words = dict[str, str]

WIDTH, HEIGHT = 512, 384
MAXIMUM_BYTES = 150_000
JPEG_QUALITIES = (90, 85, 80, 75)
TEXTURE_STEPS = 150
GOLDEN_LEVELS = 16
GLASS = 245


@dataclass(frozen=True)
class Sample:
    """One picture and what the page says of it. `label` is the class it was made after, None where there is none."""

    id: str
    kind: Literal["texture", "phantom", "foreign"]
    label: str | None
    title: Words
    description: Words
    pixels: Picture


_CLASS_WORDS: dict[str, Words] = {
    "normal": {"en": "normal tissue", "fr": "tissu normal"},
    "benign": {"en": "benign lesion", "fr": "lésion bénigne"},
    "insitu": {"en": "carcinoma in situ", "fr": "carcinome in situ"},
    "invasive": {"en": "invasive carcinoma", "fr": "carcinome infiltrant"},
}

_FOREIGN_WORDS: dict[str, tuple[Words, Words]] = {
    "landscape": (
        {"en": "Photograph", "fr": "Photographie"},
        {
            "en": "A drawn landscape, in place of a photograph uploaded by mistake. It should be refused.",
            "fr": "Un paysage dessiné, à la place d'une photographie envoyée par erreur. Il doit être refusé.",
        },
    ),
    "chest_xray": (
        {"en": "Chest X-ray", "fr": "Radiographie du thorax"},
        {
            "en": "A drawn chest X-ray: medical, but nothing that this model knows. It should be refused.",
            "fr": "Une radiographie dessinée : médicale, mais inconnue de ce modèle. Elle doit être refusée.",
        },
    ),
    "blood_smear": (
        {"en": "Blood smear", "fr": "Frottis sanguin"},
        {
            "en": "A drawn blood smear: from a microscope, but not breast tissue. It should be refused.",
            "fr": "Un frottis sanguin dessiné : vu au microscope, mais pas du tissu mammaire. Il doit être refusé.",
        },
    ),
    "immunostain": (
        {"en": "Another stain", "fr": "Autre coloration"},
        {
            "en": "A drawn field in brown and blue, as in immunohistochemistry, not in haematoxylin and eosin. "
            "It should be refused.",
            "fr": "Un champ dessiné en brun et bleu, comme en immunohistochimie, et non à l'hématoxyline et à l'éosine. "
            "Il doit être refusé.",
        },
    ),
    "magnified": (
        {"en": "Magnified too much", "fr": "Grossissement trop fort"},
        {
            "en": "A drawn field seven times larger than the fields the model learned from. It should be refused.",
            "fr": "Un champ dessiné, sept fois plus grossi que ceux sur lesquels le modèle a appris. Il doit être refusé.",
        },
    ),
    "blank": (
        {"en": "Empty slide", "fr": "Lame vide"},
        {
            "en": "A drawn slide without tissue, with a little dust. It should be refused.",
            "fr": "Une lame dessinée sans tissu, avec un peu de poussière. Elle doit être refusée.",
        },
    ),
    "defocused": (
        {"en": "Out of focus", "fr": "Image floue"},
        {
            "en": "A drawn tissue field, blurred as with the microscope out of focus. It should be refused.",
            "fr": "Un champ de tissu dessiné, flou comme avec un microscope mal réglé. Il doit être refusé.",
        },
    ),
    "swapped_colours": (
        {"en": "Wrong colours", "fr": "Couleurs inversées"},
        {
            "en": "A drawn tissue field with red and blue exchanged, a common fault of image software. "
            "It should be refused.",
            "fr": "Un champ de tissu dessiné dont le rouge et le bleu sont échangés, défaut courant de logiciels. "
            "Il doit être refusé.",
        },
    ),
}


def phantom_samples(seed: int) -> list[Sample]:
    """A drawn field of each class."""
    samples = []
    for kind in KINDS:
        words = _CLASS_WORDS[kind]
        title = {"en": f"Drawn: {words['en']}", "fr": f"Dessin : {words['fr']}"}
        description = {
            "en": f"Drawn by a program after a textbook's description of {words['en']}. It is no tissue: the model may "
            "read it otherwise, or refuse it.",
            "fr": f"Dessiné par un programme d'après la description d'un manuel ({words['fr']}). Ce n'est pas du tissu : "
            "le modèle peut le lire autrement, ou le refuser.",
        }
        pixels = draw(kind, seed, WIDTH, HEIGHT).pixels
        samples.append(Sample(f"phantom-{kind}", "phantom", kind, title, description, pixels))
    return samples


def foreign_samples(seed: int) -> list[Sample]:
    """Pictures that should be refused."""
    field = draw("invasive", seed + 1, WIDTH, HEIGHT).pixels
    pictures = {name: make(seed, WIDTH, HEIGHT) for name, make in foreign.DRAWN.items()}
    pictures["defocused"] = foreign.defocused(field)
    pictures["swapped_colours"] = foreign.swapped_colours(field)
    return [
        Sample(f"foreign-{name.replace('_', '-')}", "foreign", None, *_FOREIGN_WORDS[name], pixels)
        for name, pixels in pictures.items()
    ]


def texture_samples(
    network: keras.Model,
    class_pictures: Mapping[str, Sequence[Picture]],
    seed: int,
    *,
    steps: int = TEXTURE_STEPS,
    say: Callable[[str], None] = print,
) -> list[Sample]:
    """A texture for each class of `class_pictures` (label → at least 30 training fields, uint8 [384, 512, 3])."""
    # TensorFlow takes seconds to import; the drawn samples and the golden pictures do without.
    from training.drawn.textures import class_probabilities, statistics, synthesise

    samples = []
    for index, (label, pictures) in enumerate(class_pictures.items()):
        words = _CLASS_WORDS[label]
        target = statistics(network, pictures)
        texture = synthesise(network, target, start=draw(label, seed, WIDTH, HEIGHT).pixels, steps=steps, seed=seed)
        pixels = np.asarray(Image.open(io.BytesIO(jpeg(texture.pixels))))
        share = class_probabilities(network, pixels)[index]
        say(f"texture {label}: distance {texture.distances[0]:.2f} → {texture.distances[-1]:.2f}, read as {share:.2f}")
        title = {"en": f"Synthetic: {words['en']}", "fr": f"Synthétique : {words['fr']}"}
        description = {
            "en": f"Made by a program: a drawing, changed until what the network measures in it equals the average over "
            f"{target.count} images of {words['en']}. No patient's tissue is in it. That the model recognises it says "
            "nothing about how well it reads patients.",
            "fr": f"Fait par un programme : un dessin, modifié jusqu'à ce que les mesures du réseau égalent la moyenne de "
            f"{target.count} images ({words['fr']}). Il ne contient le tissu d'aucun patient. Que le modèle le "
            "reconnaisse ne dit rien de sa qualité de lecture chez des patients.",
        }
        samples.append(Sample(f"texture-{label}", "texture", label, title, description, texture.pixels))
    return samples


def jpeg(pixels: Picture) -> bytes:
    """The best of the allowed JPEG qualities that stays below `MAXIMUM_BYTES`."""
    data = b""
    for quality in JPEG_QUALITIES:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, optimize=True)
        data = buffer.getvalue()
        if len(data) <= MAXIMUM_BYTES:
            break
    return data


def write_samples(samples: Sequence[Sample], out: Path, made_by: str, um_per_px: float) -> None:
    """One JPEG a sample and `samples.json`, which the page reads. `um_per_px`: the size of the pixels of drawn tissue; a
    foreign picture has none."""
    out.mkdir(parents=True, exist_ok=True)
    entries = []
    for sample in samples:
        name = f"{sample.id}.jpg"
        (out / name).write_bytes(jpeg(sample.pixels))
        entries.append(
            {
                "id": sample.id,
                "file": name,
                "kind": sample.kind,
                "label": sample.label,
                "um_per_px": um_per_px if sample.label else None,
                "title": sample.title,
                "description": sample.description,
                "synthetic": True,
                "made_by": made_by,
            }
        )
    (out / "samples.json").write_text(json.dumps(entries, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def make_samples(run: Run, out: Path, seed: int = 1, *, steps: int = TEXTURE_STEPS) -> list[Sample]:
    """All samples, written to `out`; the textures from a run's float network and the training part of its data.

    Takes about a minute a class. Raises `ValueError` for a class with fewer than 30 training fields.
    """
    from training.data import TRAINING, load_pixels

    class_pictures = {}
    for index, label in enumerate(run.recipe.labels):
        fields = [field for field in run.split.parts[TRAINING] if field.label == index]
        class_pictures[label.id] = load_pixels(run.data, fields, run.recipe.data)
    samples = texture_samples(run.model, class_pictures, seed, steps=steps)
    samples += phantom_samples(seed) + foreign_samples(seed)
    write_samples(samples, out, f"loupe-train samples {run.recipe.id}", run.recipe.data.um_per_px)
    return samples


def golden_pictures(seed: int = 1) -> dict[str, Picture]:
    """Pictures for a bundle's exact checks, uint8 [384, 512, 3]: drawn tissue, the edge of some, a drawn landscape, and
    extreme values.

    All but the last keep 16 levels a colour, which halves their size as PNG. Their pixels are stored with the outputs, so
    drawing them again elsewhere needn't give the same bits.
    """
    pictures = {f"phantom-{kind}": draw(kind, seed, WIDTH, HEIGHT).pixels for kind in ("normal", "insitu", "invasive")}
    pictures["edge"] = pictures["phantom-invasive"].copy()
    pictures["edge"][:, WIDTH // 2 :] = GLASS
    pictures["landscape"] = foreign.landscape(seed, WIDTH, HEIGHT)
    step = 256 // GOLDEN_LEVELS
    golden = {name: np.asarray(pixels // step * step + step // 2, np.uint8) for name, pixels in pictures.items()}
    return {**golden, "extremes": _extremes(seed)}


def _extremes(seed: int) -> Picture:
    """Checks from one pixel to 64, ramps and noise, all at full swing: what drives integer networks to their limits."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    level = 2 ** (6 - x // (WIDTH // 4) * 2)
    checks = ((x // level + y // level) % 2 * 255)[..., None] * np.array([[1, 1, 1]])
    third = HEIGHT // 3
    checks[third : 2 * third, :, :] = np.stack([x, x[:, ::-1], (x * 2) % WIDTH], -1)[third : 2 * third] // 2
    dots = rng.random((third, WIDTH // 4, 3)) < 0.5
    checks[2 * third :, : WIDTH // 4] = dots * 255
    return np.asarray(checks, np.uint8)
