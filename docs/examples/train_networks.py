"""Train a family of networks in one go: `mixed` first, then one fine-tuned from it for each kind of noise.

    python docs/examples/train_networks.py --songs SONGS --noises NOISES --valid-songs SONGS2 \
        --valid-noises NOISES2 --out FOLDER --minutes 120 --minutes-each 10

Every network is one run of ``musicdenoise train``, so that what was reached is kept whenever this is
stopped: started again, it goes on where it was. FOLDER gets ``NAME.safetensors`` and ``NAME.jsonl`` (the
history) for each kind, and the whole run in ``runs/NAME``. On a GPU give ``--recipe gpu``. A network of one
class takes more from nearly clean music than `mixed`; their mean (average_weights.py) keeps most of its gain.

Training data is best moved to another machine as the compressed files that it is:
``tar -cf - songs noises | split -b 60m - data.tar.`` and there ``cat data.tar.* | tar -xf -``.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from musicdenoise.kinds import NOISE_CLASSES

KINDS = ("mixed", "white", *NOISE_CLASSES)


def parse() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("songs", "noises", "valid-songs", "valid-noises", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--minutes", type=float, default=120.0, help="for mixed")
    parser.add_argument("--minutes-each", type=float, default=10.0, help="for every other kind")
    parser.add_argument("--init", help="weights that mixed starts from")
    parser.add_argument("--recipe", default="mixed", help="settings of all runs")
    parser.add_argument("--learning-rate-each", type=float, default=1.5e-3)
    parser.add_argument("--licence", help="of the weights")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=0)
    return parser.parse_args()


def train(kind: str, arguments: argparse.Namespace) -> Path | None:
    """Train one network; return its weights, or None if the run failed."""
    run = arguments.out / "runs" / kind
    command = [sys.executable, "-m", "musicdenoise", "train", "--recipe", arguments.recipe, "--noise", kind]
    for name in ("songs", "noises", "valid-songs", "valid-noises"):
        command += [f"--{name}", str(vars(arguments)[name.replace("-", "_")])]
    command += ["--out", str(run), "--cache", str(arguments.out / "decoded")]
    command += ["--device", arguments.device, "--workers", str(arguments.workers), "--quiet"]
    if arguments.licence:
        command += ["--licence", arguments.licence]
    init = arguments.init if kind == "mixed" else arguments.out / "mixed.safetensors"
    if (run / "checkpoint.pt").exists():
        command += ["--resume"]
    elif init:
        command += ["--init", str(init)]
    if kind == "mixed":
        command += ["--minutes", str(arguments.minutes)]
    else:
        command += ["--minutes", str(arguments.minutes_each)]
        command += ["--learning-rate", str(arguments.learning_rate_each)]
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        print(f"{kind}: the run ended with exit code {done.returncode}", file=sys.stderr)
        return None
    return run / "best.safetensors"


def main() -> None:
    """Train everything that was asked for; kinds that are done are passed over."""
    arguments = parse()
    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for kind in sorted(arguments.kinds, key=KINDS.index):  # mixed comes first
        target = arguments.out / f"{kind}.safetensors"
        if target.exists():
            print(f"{kind}: is there already", flush=True)
            continue
        weights = train(kind, arguments)
        if weights is None:
            failed.append(kind)
            continue
        shutil.copyfile(weights.with_name("history.jsonl"), target.with_suffix(".jsonl"))
        shutil.copyfile(weights, target)
        print(f"{kind}: {target}", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
