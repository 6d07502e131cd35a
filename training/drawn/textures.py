"""Textures: pictures made from a trained network's idea of a class, averaged over many fields.

    target = statistics(network, pictures)            # averages over at least 30 training fields of one class
    texture = synthesise(network, target, start=draw("invasive").pixels)

After Gatys et al. (2015): the picture is changed by gradient descent until the mean and the covariance of the network's
channels, at several depths, are what they are on average over the class. Colour and sharpness are held by the class's
average quantiles of stain density and of fine detail. The targets are averages over 30 or more fields, a few thousand
numbers without places in them, so no pixel of a patient's tissue can be in the result.

The covariances are averages of those *within* a field. Pooled over fields they would hold the differences between
stainings too, and the texture would become a patchwork of slides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.drawn.phantoms import EOSIN, HAEMATOXYLIN
from training.networks import PIXEL_MEAN, PIXEL_SCALE, scale_pixels

MINIMUM_IMAGES = 30
"""Fewer fields and an average starts to describe the fields one by one."""

COVARIANCE_LAYERS = ("stem_bn_relu6", "block2_add", "block4_add", "block7_add", "block10_add")
SPREAD_LAYERS = ("block14_add", "head_bn_relu6")
"""Where a field has fewer places than channels a covariance is mostly chance: only each channel's own spread is matched."""

QUANTILES = 128
DETAIL_BANDS = 3
PYRAMID = (1, 2, 4, 8, 16, 32)
FLOOR = 1e-3
DARK = 4.0
FAINT = 0.6
SOFT = 0.05
NEIGHBOURS = ((0, 0), (0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (2, 1), (2, -1), (1, 2), (1, -2))


@dataclass(frozen=True)
class Statistics:
    """Averages over `count` fields.

    Per layer: channel means [c] and covariance [c, c] or variances [c]. `light` [3] is the optical density where there is
    no tissue and `stains` [2, 3] that of the two stains; `amounts` [2] are their mean amounts. `colours` [6, q] are average
    quantile curves of density along directions in the plane of the stains, `details` [bands, q] those of fine grey
    detail, `neighbours` [bands, lags] its autocovariance; `logits` [k] the mean class logits. All float32.
    """

    count: int
    means: dict[str, NDArray[np.float32]]
    spreads: dict[str, NDArray[np.float32]]
    light: NDArray[np.float32]
    stains: NDArray[np.float32]
    amounts: NDArray[np.float32]
    colours: NDArray[np.float32]
    details: NDArray[np.float32]
    neighbours: NDArray[np.float32]
    logits: NDArray[np.float32]


@dataclass(frozen=True)
class Texture:
    """`pixels` uint8 [h, w, 3]; `distances`, the statistic distance at each step."""

    pixels: NDArray[np.uint8]
    distances: tuple[float, ...]


def _probe(network: keras.Model) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    names = [*COVARIANCE_LAYERS, *SPREAD_LAYERS]
    outputs = {name: network.get_layer(name).output for name in names}
    outputs["class_map"] = network.output["class_map"]
    probe: Any = keras.Model(network.inputs, outputs)
    return lambda pixels: probe((pixels - PIXEL_MEAN) / PIXEL_SCALE, training=False)


def _moments(maps: dict[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    means, spreads = {}, {}
    for name, values in maps.items():
        if name == "class_map":
            continue
        rows = tf.reshape(values, (-1, values.shape[-1]))
        means[name] = tf.reduce_mean(rows, 0)
        rows = rows - means[name]
        if name in SPREAD_LAYERS:
            spreads[name] = tf.reduce_mean(rows**2, 0)
        else:
            spreads[name] = tf.matmul(rows, rows, transpose_a=True) / tf.cast(tf.shape(rows)[0], tf.float32)
    return means, spreads


def _density(pixels: tf.Tensor) -> tf.Tensor:
    """Optical density (natural logarithm) of pixels 0…255."""
    return -tf.math.log((tf.clip_by_value(pixels, 0.0, 255.0) + DARK) / (255 + DARK))


def _details(pixels: tf.Tensor) -> list[tf.Tensor]:
    """Grey detail [1, h, w, 1] of one octave each, finest first."""
    grey = tf.reduce_mean(pixels, -1, keepdims=True) / 255
    bands = []
    for _ in range(DETAIL_BANDS):
        half = tf.nn.avg_pool2d(grey, 2, 2, "VALID")
        bands.append(grey - tf.image.resize(half, tf.shape(grey)[1:3], "bilinear"))
        grey = half
    return bands


def _neighbours(band: tf.Tensor) -> tf.Tensor:
    """How alike a band is to itself one and two pixels on, in four directions."""
    values = band[0, :, :, 0]
    products = []
    for down, right in NEIGHBOURS:
        one = values[down:, max(0, -right) : values.shape[1] - max(0, right)]
        other = values[: values.shape[0] - down, max(0, right) : values.shape[1] - max(0, -right)]
        products.append(tf.reduce_mean(one * other))
    return tf.stack(products)


def _quantiles(values: tf.Tensor, count: int) -> tf.Tensor:
    """`count` evenly spaced quantiles along the first axis."""
    ordered = tf.sort(values, axis=0)
    total = tf.shape(ordered)[0]
    where = (tf.range(count, dtype=tf.float32) + 0.5) / count * tf.cast(total, tf.float32)
    return tf.gather(ordered, tf.minimum(tf.cast(where, tf.int32), total - 1))


def _stains(density: NDArray[np.float32]) -> NDArray[np.float32]:
    """The two stains of a field [2, 3], blue first, from its optical density [n, 3], after Macenko et al. (2009)."""
    tissue = density[np.linalg.norm(density, axis=1) > FAINT]
    plane = np.linalg.eigh(tissue.T @ tissue)[1].T[:0:-1]
    plane = plane * np.sign(plane[:, :1] + 1e-9)
    along = tissue @ plane.T
    angle = np.percentile(np.arctan2(along[:, 1], along[:, 0]), [3, 97])
    pair = np.stack([np.cos(angle), np.sin(angle)], 1) @ plane
    return np.asarray(pair[np.argsort(-pair[:, 0])], np.float32)


def _fan(stains: NDArray[np.float32]) -> NDArray[np.float32]:
    """Six directions in the plane of the stains [6, 3]: curves along all of them pin down which mixtures occur."""
    plane = np.linalg.qr(stains.T)[0].T
    angle = np.arange(6)[:, None] * np.pi / 6
    return np.asarray(np.cos(angle) * plane[:1] + np.sin(angle) * plane[1:], np.float32)


def _looks(pixels: tf.Tensor, stains: NDArray[np.float32]) -> dict[str, tf.Tensor]:
    """What of a picture can be said without a network: its curves of stain and detail."""
    density = tf.reshape(_density(pixels[0, ::2, ::2]), (-1, 3))
    bands = _details(pixels)
    return {
        "colours": tf.transpose(_quantiles(tf.matmul(density, _fan(stains).T), QUANTILES)),
        "details": tf.stack(
            [_quantiles(tf.reshape(b, (-1,))[:: max(1, 4 >> i)], QUANTILES) for i, b in enumerate(bands)]
        ),
        "neighbours": tf.stack([_neighbours(band) for band in bands]),
    }


def statistics(
    network: keras.Model, pictures: Sequence[NDArray[np.uint8]], *, minimum: int = MINIMUM_IMAGES
) -> Statistics:
    """What the pictures (uint8 [h, w, 3], sides multiples of 32) have in common.

    Raises `ValueError` for fewer than `minimum` pictures.
    """
    if len(pictures) < minimum:
        raise ValueError(f"{len(pictures)} pictures are too few for an average that shows none of them; give {minimum}")
    densities = [np.asarray(_density(tf.constant(picture[::4, ::4].astype(np.float32)))) for picture in pictures]
    rows = [density.reshape(-1, 3) for density in densities]
    light = np.mean([np.percentile(row, 1, axis=0) for row in rows], 0).astype(np.float32)
    stains = np.mean([_stains(row - light) for row in rows], 0)
    stains /= np.linalg.norm(stains, axis=1, keepdims=True)
    amounts = np.mean([row.mean(0) - light for row in rows], 0) @ np.linalg.pinv(stains)
    probe = _probe(network)
    measured = []
    for picture in pictures:
        pixels = tf.constant(picture[None].astype(np.float32))
        maps = probe(pixels)
        logits = tf.reduce_mean(maps["class_map"], (0, 1, 2))
        measured.append((_moments(maps), _looks(pixels, stains), logits))
    (means, spreads), looks, logits = tf.nest.map_structure(
        lambda *values: np.mean(values, 0).astype(np.float32), *measured
    )
    return Statistics(
        len(measured), means, spreads, light, stains, amounts.clip(0.01).astype(np.float32), **looks, logits=logits
    )


def _distance(
    maps: dict[str, tf.Tensor], pixels: tf.Tensor, target: Statistics, weights: dict[str, float]
) -> tf.Tensor:
    """How far a picture's statistics are from the target, in units of the target's own spread; 0 when equal."""
    means, spreads = _moments(maps)
    total = tf.constant(0.0)
    for name, mean in means.items():
        goal = target.spreads[name]
        variance = (goal if name in SPREAD_LAYERS else np.diag(goal)) + FLOOR
        total += weights["mean"] * tf.reduce_mean((mean - target.means[name]) ** 2 / variance)
        if name in SPREAD_LAYERS:
            total += weights["spread"] * tf.reduce_mean(
                (tf.sqrt(spreads[name] + FLOOR) - np.sqrt(variance)) ** 2 / variance
            )
        else:
            total += weights["covariance"] * tf.reduce_mean(
                tf.reduce_sum((spreads[name] - goal) ** 2 / np.sqrt(np.outer(variance, variance)) ** 2, 1)
            )
    looks = _looks(pixels, target.stains)
    for name in ("colours", "details"):
        goal = getattr(target, name)
        total += weights[name] * tf.reduce_mean((looks[name] - goal) ** 2 / np.var(goal, 1, keepdims=True))
    goal = target.neighbours
    return total + weights["neighbours"] * tf.reduce_mean(((looks["neighbours"] - goal) / goal[:, :1]) ** 2)


WEIGHTS = {"mean": 1.0, "covariance": 0.1, "spread": 1.0, "colours": 2.0, "details": 1.0, "neighbours": 1.0}


def _noise(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Clouds of two stains [1, h, w, 2]."""
    cloud = np.zeros((1, height, width, 2), np.float32)
    for stride in PYRAMID[1:]:
        grid = rng.standard_normal((1, -(-height // stride), -(-width // stride), 2)).astype(np.float32)
        cloud += np.asarray(tf.image.resize(grid, (height, width), "bicubic"))
    return np.asarray(np.exp(0.5 * cloud / cloud.std()))


def _amounts(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Amounts of the two stains in a drawn field [1, h, w, 2]."""
    density = np.asarray(_density(tf.constant(picture[None].astype(np.float32))))
    density = density - np.percentile(density, 1, axis=(0, 1, 2))
    return np.asarray((density @ np.linalg.pinv(np.stack([HAEMATOXYLIN, EOSIN]))).clip(0), np.float32)


def synthesise(
    network: keras.Model,
    target: Statistics,
    *,
    start: NDArray[np.uint8] | None = None,
    height: int = 384,
    width: int = 512,
    steps: int = 200,
    rate: float = 0.006,
    seed: int = 0,
    weights: dict[str, float] | None = None,
) -> Texture:
    """A picture whose statistics are the target's, from `start` (uint8 [h, w, 3]) or, without one, from noise.

    The picture is amounts of two stains, each a sum of layers from coarse to fine: descent then moves soft shapes as
    easily as single pixels and can't make colours that stained tissue has not, which keeps out the fine checkering that
    fools networks. It is shifted at random each step, so that no grid shows.
    """
    rng = np.random.default_rng(seed)
    amounts = _noise(height, width, rng) if start is None else _amounts(start)
    height, width = amounts.shape[1:3]
    amounts *= target.amounts / amounts.mean((0, 1, 2))
    # softplus⁻¹: amounts of stain can't be negative.
    amounts = amounts.clip(SOFT / 4)
    base = tf.constant(amounts + SOFT * np.log1p(-np.exp(-amounts / SOFT)))
    layers = [tf.Variable(tf.zeros((1, -(-height // s), -(-width // s), 2))) for s in PYRAMID]
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps, 0.05), beta_2=0.99)
    optimizer.build(layers)
    probe, weights = _probe(network), {**WEIGHTS, **(weights or {})}

    def picture() -> tf.Tensor:
        stains = base
        for layer in layers:
            stains += (
                layer if layer.shape[1:3] == (height, width) else tf.image.resize(layer, (height, width), "bilinear")
            )
        density = tf.linalg.matmul(tf.nn.softplus(stains / SOFT) * SOFT, target.stains[None]) + target.light
        return tf.exp(-density) * (255 + DARK) - DARK

    def step(shift: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            pixels = tf.roll(picture(), shift, (1, 2))
            distance = _distance(probe(pixels), pixels, target, weights)
        optimizer.apply_gradients(zip(tape.gradient(distance, layers), layers, strict=True))
        return distance

    compiled = tf.function(step)
    distances = [float(compiled(tf.constant(rng.integers(0, 32, 2), tf.int32))) for _ in range(steps)]
    return Texture(np.clip(np.rint(picture()[0].numpy()), 0, 255).astype(np.uint8), tuple(distances))


def class_probabilities(network: keras.Model, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Softmax of the float network's logits for one picture (not calibrated)."""
    logits = np.asarray(network(scale_pixels(picture[None]), training=False)["class_map"]).mean((0, 1, 2))
    shares = np.exp(logits - logits.max())
    return np.asarray(shares / shares.sum(), np.float32)
