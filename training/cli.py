"""The workstation's command line, `loupe-train`: from pictures to a signed bundle.

loupe-train fit bach && loupe-train samples bach && loupe-train pack bach
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from device.errors import LoupeError
from device.texts import error_words
from training.errors import TrainingError
from training.recipe import load_recipe

SHARED_DATA = Path("../shared/data")
SAMPLES = Path("models/samples")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="loupe-train",
        description="Makes and measures Loupe's models.",
        epilog="From nothing to a bundle: loupe-train fit bach && loupe-train samples bach && loupe-train pack bach",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    recipe = argparse.ArgumentParser(add_help=False)
    recipe.add_argument("recipe", help="a shipped recipe (bach) or a .toml file")
    recipe.add_argument("--data", type=Path, help=f"folder of the data set (default {SHARED_DATA}/ADAPTER)")
    run = argparse.ArgumentParser(add_help=False)
    run.add_argument("--run", type=Path, help="folder of the run (default runs/RECIPE)")
    bundle = argparse.ArgumentParser(add_help=False)
    bundle.add_argument("--bundle", type=Path, help="bundle file (default models/RECIPE.loupe)")
    keys = argparse.ArgumentParser(add_help=False)
    keys.add_argument("--keys", type=Path, default=Path("models/keys"), help="public keys (default models/keys)")

    fit = commands.add_parser("fit", parents=[recipe, run], help="fine-tune the network on a recipe's training part")
    fit.add_argument("--epochs", type=int, help="instead of the recipe's; 0 leaves the linear probe")

    pack = commands.add_parser(
        "pack",
        parents=[recipe, run, bundle, keys],
        help="quantize, calibrate, fit the gate, measure and sign",
        description="Turns a fitted run into a signed bundle and prints its held-out figures.",
    )
    pack.add_argument("--samples", type=Path, default=SAMPLES, help=f"their textures become golden (default {SAMPLES})")
    pack.add_argument("--key", type=Path, help="private key (default ~/.config/loupe/development.pem, made if missing)")

    commands.add_parser(
        "evaluate",
        parents=[recipe, bundle, keys],
        help="print the model card of a bundle, measured again on its test part",
    )
    foreign = argparse.ArgumentParser(add_help=False)
    foreign.add_argument(
        "--foreign", type=Path, default=SHARED_DATA / "ood", help=f"folder of folders (default {SHARED_DATA}/ood)"
    )
    commands.add_parser(
        "gate-report",
        parents=[recipe, bundle, keys, foreign],
        help="how often the gate refuses proper and foreign pictures",
    )
    commands.add_parser(
        "gate-layers",
        parents=[recipe, bundle, keys, foreign],
        help="measure which of the network's layers tells foreign pictures best",
    )
    ops = commands.add_parser("ops", help="list a network's operations with their types")
    ops.add_argument("file", type=Path, help="a .tflite or .loupe file")

    commands.add_parser(
        "head-placement", parents=[recipe, run], help="measure the head inside the integer network against outside"
    )
    samples = commands.add_parser(
        "samples", parents=[recipe, run], help="make the page's synthetic sample pictures from a run's network"
    )
    samples.add_argument("--out", type=Path, default=SAMPLES, help=f"folder (default {SAMPLES})")
    return parser


def _quiet() -> None:
    """TensorFlow's start-up chatter hides what a person should read."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="tensorflow")


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "ops":
        from training.quantize import list_ops

        counted = list_ops(arguments.file.read_bytes())
        for op, count in sorted(counted.items()):
            print(f"{count:4}  {op}")
        return
    recipe = load_recipe(arguments.recipe)
    data: Path = arguments.data or SHARED_DATA / recipe.data.adapter
    folder: Path = getattr(arguments, "run", None) or Path("runs") / recipe.id
    bundle_file: Path = getattr(arguments, "bundle", None) or Path("models") / f"{recipe.id}.loupe"
    if arguments.command == "fit":
        from training.fit import fit

        run = fit(recipe, data, folder, epochs=arguments.epochs)
        print(f"fitted in {run.facts['minutes']} min: {folder}. Next: loupe-train samples {arguments.recipe}")
    elif arguments.command == "pack":
        from training.fit import load_run
        from training.pack import pack
        from training.signing import DEFAULT_KEY, publish_key, signing_key

        key_file = arguments.key or DEFAULT_KEY
        key = signing_key(key_file)
        bundle = pack(load_run(recipe, data, folder), bundle_file, key, arguments.samples)
        publish_key(key, arguments.keys / f"{key_file.stem}.pub")
        print(bundle.card)
        print(f"packed {bundle_file}, {bundle_file.stat().st_size / 1e6:.2f} MB. Next: loupe verify")
    elif arguments.command in ("evaluate", "gate-report", "gate-layers"):
        from device.bundle import Bundle
        from device.reading import Reader
        from training.data import LIMITS

        reader = Reader(Bundle.open(bundle_file, arguments.keys), LIMITS)
        if arguments.command == "gate-report":
            from training.gate_report import as_table, gate_report

            print(as_table(gate_report(reader, recipe, data, arguments.foreign)))
        elif arguments.command == "gate-layers":
            from training.gate_layers import gate_layers

            print(gate_layers(reader, recipe, data, arguments.foreign))
        else:
            from training.evaluate import evaluate

            print(evaluate(reader, recipe, data))
    elif arguments.command == "head-placement":
        from training.fit import load_run
        from training.head_placement import compare

        print(compare(load_run(recipe, data, folder)))
    elif arguments.command == "samples":
        from training.fit import load_run
        from training.samples import make_samples

        make_samples(load_run(recipe, data, folder), arguments.out)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `loupe-train`; the exit status."""
    arguments = _parser().parse_args(argv)
    _quiet()
    try:
        _run(arguments)
    except TrainingError as error:
        sys.stderr.write(f"loupe-train: {error}\n")
        return 1
    except LoupeError as error:
        told = error_words(error, "en")
        sys.stderr.write(f"loupe-train: {told['title']}. {told['detail']}\n→ {told['next_step']} [{error.code}]\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
