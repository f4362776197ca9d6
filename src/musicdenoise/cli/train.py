"""``musicdenoise train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicdenoise.cli.common import choose_device, note, reports_errors
from musicdenoise.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from musicdenoise.data.mixer import PairMixer, ValidationItem
    from musicdenoise.training.config import TrainConfig

__all__ = ["train"]

_VALIDATION_SECONDS = 4
_VALIDATION_SNRS_DB = (0.0, 10.0, 20.0)


@reports_errors
def train(
    songs: Annotated[Path, typer.Option("--songs", help="Folder of songs to train on.", show_default=False)],
    valid_songs: Annotated[
        Path,
        typer.Option("--valid-songs", help="Folder of other songs, to measure on.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", help="Run folder.", show_default=False)],
    noise: Annotated[
        str, typer.Option("--noise", metavar="KIND", help="white, mixed, or a class by name or number.")
    ] = "white",
    noises: Annotated[
        Path | None, typer.Option("--noises", help="Folder of noise recordings (not for white noise).")
    ] = None,
    valid_noises: Annotated[
        Path | None, typer.Option("--valid-noises", help="Folder of other noise recordings, to measure on.")
    ] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Length of the run in minutes.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Length of the run in steps.")] = None,
    targets: Annotated[
        str, typer.Option("--targets", help="noisy (Noise2Noise), or clean for a comparison.")
    ] = "noisy",
    complexity: Annotated[
        int | None,
        typer.Option("--complexity", metavar="C", help="Published channel table at C; default: tapered."),
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Examples per step.")] = 6,
    segment_frames: Annotated[int, typer.Option("--segment-frames", help="STFT frames per example.")] = 131,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="Highest learning rate.")] = 2e-3,
    seed: Annotated[int, typer.Option("--seed", help="Seed of weights and data.")] = 42,
    init: Annotated[Path | None, typer.Option("--init", help="Weights file to start from.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the run folder.")] = False,
    licence: Annotated[
        str, typer.Option("--licence", help="Licence of the weights, for their metadata.")
    ] = "unknown",
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder for decoded audio. Default: the user's cache.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("-d", "--device", help="auto, cpu, cuda, cuda:N or mps.")
    ] = None,
    cuda: Annotated[bool, typer.Option("--cuda", help="Use a CUDA device if there is one.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print warnings and errors only.")] = False,
) -> None:
    """Train a network by Noise2Noise: noise is mixed into songs on the fly.

    The run folder gets the configuration, the history of validations, a checkpoint every few minutes
    and the best weights so far (best.safetensors).
    """
    if minutes is None and steps is None:
        raise UsageError("a run needs an end: give --minutes, --steps, or both")
    from musicdenoise.core.dcunet import DCUNetConfig
    from musicdenoise.data.kinds import parse_kind
    from musicdenoise.training.config import TrainConfig

    network = DCUNetConfig.tapered() if complexity is None else DCUNetConfig.of_complexity(complexity)
    config = TrainConfig(
        noise_kind=parse_kind(noise),
        network=network,
        targets=targets,
        minutes=minutes,
        steps=steps,
        batch_size=batch_size,
        segment_frames=segment_frames,
        learning_rate=learning_rate,
        seed=seed,
    )
    chosen = choose_device(device, cuda=cuda)
    mixer, items, data = _load_data(config, songs, valid_songs, noises, valid_noises, cache, quiet=quiet)
    _run(config, mixer, items, out, chosen, data, licence=licence, init=init, resume=resume, quiet=quiet)


def _load_data(
    config: TrainConfig,
    songs: Path,
    valid_songs: Path,
    noises: Path | None,
    valid_noises: Path | None,
    cache: Path | None,
    *,
    quiet: bool,
) -> tuple[PairMixer, list[ValidationItem], Mapping[str, Any]]:
    from platformdirs import user_cache_path

    from musicdenoise.data.bank import AudioBank
    from musicdenoise.data.catalogue import find_songs, noise_source
    from musicdenoise.data.mixer import MixConfig, PairMixer, fixed_mixes

    rate, kind = config.stft.sample_rate, config.noise_kind
    folder = cache or user_cache_path("musicdenoise") / "decoded"
    note("Decoding songs and noises (once) ...", quiet=quiet)
    music = AudioBank(find_songs(songs), folder, rate)
    valid_music = AudioBank(find_songs(valid_songs), folder, rate)
    mixer = PairMixer(
        music,
        noise_source(kind, noises, folder, rate),
        MixConfig(
            num_samples=config.segment_samples, snr_range_db=config.snr_range_db, targets=config.targets
        ),
        config.seed,
    )
    items = fixed_mixes(
        valid_music,
        noise_source(kind, valid_noises or noises, folder, rate),
        num_samples=_VALIDATION_SECONDS * rate,
        snrs_db=_VALIDATION_SNRS_DB,
        seed=config.seed,
    )
    data = {
        "songs": len(music),
        "hours": round(float(music.lengths.sum()) / rate / 3600.0, 2),
        "validation_songs": len(valid_music),
        "validation_snrs_db": list(_VALIDATION_SNRS_DB),
    }
    return mixer, items, data


def _run(
    config: TrainConfig,
    mixer: PairMixer,
    items: list[ValidationItem],
    out: Path,
    device: str,
    data: Mapping[str, Any],
    *,
    licence: str,
    init: Path | None,
    resume: bool,
    quiet: bool,
) -> None:
    from musicdenoise.cli.progress import training_progress
    from musicdenoise.core.device import resolve_device
    from musicdenoise.training.loop import train as run_training
    from musicdenoise.weights.checkpoint import load_weights

    initial = None if init is None else load_weights(init)[0]
    with training_progress(quiet=quiet) as on_progress:
        best = run_training(
            config,
            mixer,
            items,
            out,
            device=resolve_device(device),
            data=data,
            licence=licence,
            initial=initial,
            resume=resume,
            on_progress=on_progress,
        )
    note(f"Best weights: {best}", quiet=quiet)
