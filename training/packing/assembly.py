"""A bundle in the making: the integer network, head and gate of a run, before anything is measured with them.

Everything that is fitted here is fitted on outputs of the integer network. `draft.py` writes it as it is, for each fold of
a cross-validation; `pack.py` calibrates it, measures it and signs it for boxes.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
from msgspec import UNSET
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image as Pillow

from device.reading.bundle import Bundle
from device.reading.golden import observe
from device.reading.image import Image
from device.reading.manifest import (
    NETWORK,
    SCHEMA_VERSION,
    AnswerRules,
    CalibrationFacts,
    ClassPromise,
    DataSource,
    GateRules,
    Golden,
    HeadArrays,
    Label,
    Manifest,
    MapScale,
    NetworkOutput,
    NetworkOutputs,
    OutsideConcern,
    Preprocessing,
    Provenance,
)
from device.reading.maps import Head
from device.reading.reading import Reader
from device.reading.runtime import Network
from device.reading.tissue import EVERYWHERE, TISSUE
from training import networks
from training.data import CALIBRATION, LIMITS, TRAINING, Sample, labels_of, load_images, load_pixels
from training.data.sample import UNKNOWN, evenly
from training.fitting.fit import Run, float_logits
from training.gate.fit import collect, fit_gate, rescaled_indexes
from training.gate.rules import bound_across_groups, gate_rules
from training.packing.container import npy
from training.quantization.aware import rescue
from training.quantization.budget import check_budget
from training.quantization.convert import OUTPUTS, IntegerHead, box_outputs, convert, integer_head
from training.recipe import Recipe
from training.stamp import LIBRARIES

REPRESENTATIVE = 200
FITTED = 2000  # pictures that the gate and the quantization's ranges are fitted on
COMPARED = 1000  # pictures that both networks read before packing
EXPLAINED = 200  # pictures from whose maps the colour scale is taken
FINEST_SCALE = 0.01  # the least end of the colour scale that two decimals can say
HEAD_WEIGHTS, HEAD_BIAS = "head/weights.npy", "head/bias.npy"
NOT_YET = Provenance(DataSource("", "", ""), {}, "", "", {}, "")  # until it is put in: reading asks for none


@dataclass
class Assembly:
    """Manifest and members so far, readable by the box's code from the run's folder. `explained`: the pictures from whose
    maps the colour scale is taken."""

    manifest: Manifest
    members: dict[str, bytes]
    network: Path
    head: IntegerHead
    explained: Sequence[NDArray[np.uint8]]

    def reader(self) -> Reader:
        """The box's reader of what is there so far."""
        return Reader(Bundle("in the making", "", "", self.manifest, self.members, self.network), LIMITS)

    def shift_head(self, offsets: NDArray[np.float64]) -> None:
        """Shift the head's bias by each class's offset, and take the scale of its maps' colours anew."""
        network, head = Network(self.network), self.head.with_offsets(offsets)
        self.members |= _head_members(head)
        counts = self.manifest.head.counts or EVERYWHERE
        explanation = _map_scale(box_head(head, network, counts), network, self.explained)
        self.manifest = replace(self.manifest, explanation=explanation)

    def put_golden(self, pictures: dict[str, bytes]) -> None:
        """Put in pictures, by file name, each with what the box's code makes of it here."""
        reader = self.reader()
        golden = tuple(
            Golden(name=Path(file).stem, picture=f"golden/{file}", expected=observe(reader, picture))
            for file, picture in pictures.items()
        )
        self.members |= {f"golden/{file}": picture for file, picture in pictures.items()}
        self.manifest = replace(self.manifest, golden=golden)


def box_head(head: IntegerHead, network: Network, counts: str) -> Head:
    """The head as the box computes with it."""
    return Head(head.weights, head.bias, head.scale_log2, network.outputs["features"].zero_point, counts)


def _head_members(head: IntegerHead) -> dict[str, bytes]:
    return {HEAD_WEIGHTS: npy(head.weights), HEAD_BIAS: npy(head.bias)}


def _map_scale(head: Head, network: Network, pictures: Sequence[NDArray[np.uint8]]) -> MapScale:
    """The scale of the maps' colours, from all evidence in some pictures' maps."""
    evidence = np.abs(np.concatenate([head.maps(network.run(p)["features"], p).values.ravel() for p in pictures]))
    # The scale's end is seldom passed; what lies below the middle of all evidence is called little.
    return MapScale(
        limit=max(FINEST_SCALE, round(float(np.nanquantile(evidence, 0.99)), 2)),
        blank_below=round(float(np.nanquantile(evidence, 0.5)), 2),
    )


def representative(pictures: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Pictures of the commonest shape, evenly spread: the converter takes one shape."""
    shape = Counter(picture.shape for picture in pictures).most_common(1)[0][0]
    return evenly([picture for picture in pictures if picture.shape == shape], REPRESENTATIVE)


def _quantize(run: Run, pictures: Sequence[NDArray[np.uint8]]) -> tuple[Network, IntegerHead]:
    """The integer network, in the run's folder, and its head; fine-tuned for whole numbers first if the recipe says so."""
    model = run.model
    if epochs := run.recipe.quantization.rescue_epochs:
        print("fine-tune for whole numbers")
        model = rescue(model, representative(pictures), epochs, run.recipe.fit.seed, run.recipe.network.counts)
    print("convert to integers")
    file = run.folder / NETWORK
    file.write_bytes(convert(model, representative(pictures)))
    network = Network(file)
    return network, integer_head(model, network.outputs["features"].scale)


def _gate_of(
    run: Run, samples: Sequence[Sample], images: Sequence[Image], network: Network
) -> tuple[GateRules, dict[str, bytes]]:
    """The manifest's section `gate` and its members, fitted on `images`, the decoded samples; the bound on its refusals
    rests on scores across their groups."""
    chosen = [samples[index] for index in rescaled_indexes(len(samples))]
    groups = np.array([sample.group for sample in samples])
    outputs = collect(network, images, load_pixels(run.data, chosen, None), groups)
    rules, arrays = gate_rules(fit_gate(outputs), images, bound_across_groups(run.recipe.gate, outputs))
    return rules, {member: npy(array) for member, array in arrays.items()}


def assemble(run: Run, *, within_budget: bool) -> Assembly:
    """Network, head and gate of a run; temperature 1. With `within_budget`, raises `QuantizationBudgetExceeded` where the
    integer network loses more than the recipe allows."""
    recipe = run.recipe
    samples = evenly([*run.split.parts[TRAINING], *run.split.parts[CALIBRATION]], FITTED)
    images = load_images(run.data, samples, recipe.data)
    pictures = [image.pixels for image in images]
    network, integers = _quantize(run, pictures)
    head, explained = box_head(integers, network, recipe.network.counts), evenly(pictures, EXPLAINED)
    if within_budget:
        compared = evenly([index for index, sample in enumerate(samples) if sample.label != UNKNOWN], COMPARED)
        seen = [pictures[index] for index in compared]
        truth = labels_of([samples[index] for index in compared])
        logits = np.stack([head.maps(network.run(picture)["features"], picture).logits for picture in seen])
        budget = check_budget(logits, float_logits(run, seen), truth, recipe.quantization)
        print(f"integer against float network on {budget.n} pictures: {budget.agreement:.2%} agree")
    print("fit the gate on the integer network")
    gate, arrays = _gate_of(run, samples, images, network)
    strides = networks.output_strides(box_outputs(run.model))
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        id=recipe.id,
        version=recipe.version,
        task="field classification",
        modality=recipe.modality,
        title=recipe.title,
        labels=tuple(Label(label.id, label.name) for label in recipe.labels),
        preprocessing=Preprocessing(um_per_px=recipe.data.um_per_px, area_px=recipe.data.area_px),
        network=NetworkOutputs(
            {
                name: NetworkOutput(
                    scale=network.outputs[name].scale,
                    zero_point=network.outputs[name].zero_point,
                    channels=int(run.model.output[name].shape[-1]),
                    stride=strides[name],
                )
                for name in OUTPUTS
            }
        ),
        head=HeadArrays(
            weights=HEAD_WEIGHTS,
            bias=HEAD_BIAS,
            scale_log2=integers.scale_log2,
            counts="tissue" if recipe.network.counts == TISSUE else UNSET,
        ),
        calibration=CalibrationFacts(temperature=1.0, n=1, ece=0.0),
        units={},
        provenance=NOT_YET,
        metrics={},
        golden=(),
        members={},
        explanation=_map_scale(head, network, explained),
        gate=gate,
        answer=unmeasured_answer(recipe),
        scale="needed" if recipe.modality == "histology" else "not_needed",
    )
    return Assembly(manifest, _head_members(integers) | arrays, run.folder / NETWORK, integers, explained)


def unmeasured_answer(recipe: Recipe) -> AnswerRules:
    """The manifest's section `answer` of a bundle with which nothing was measured: it leaves no class out."""
    return AnswerRules(
        concern=recipe.answer.concern,
        confidence=recipe.answer.confidence,
        unit=recipe.gate.unit,
        classes={
            label.id: ClassPromise(threshold=0.0, level=1.0, n=0, pictures=0, inside=0) for label in recipe.labels
        },
        size=float(len(recipe.labels)),
        concern_outside=OutsideConcern(pictures=0, outside=0),
        record=(),
    )


def provenance(run: Run, rule: str, command: str) -> Provenance:
    """The manifest's section `provenance`: data, split by a rule in words, the command, code and libraries."""
    recipe, parts = run.recipe, run.split.parts
    return Provenance(
        data=DataSource(name=recipe.data.name, source=recipe.data.source, terms=recipe.data.terms),
        split={
            "rule": rule,
            "sha256": run.split.sha256,
            **{part: len(samples) for part, samples in parts.items()},
        },
        command=command,
        commit=run.facts["commit"],
        libraries=run.facts["libraries"] | {name: version(name) for name in LIBRARIES},
        created=date.today().isoformat(),
    )


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels as the bytes of a PNG file, as small as they get."""
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
