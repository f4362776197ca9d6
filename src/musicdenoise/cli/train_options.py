"""The options of ``musicdenoise train``, and the settings that they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicdenoise.cli.completion import propose_kinds, propose_recipes
from musicdenoise.cli.config_file import Config
from musicdenoise.cli.log import LogLevel, Quiet
from musicdenoise.cli.options import Cuda, Device, Root

if TYPE_CHECKING:
    from musicdenoise.training.recipe import Overrides


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: the options as they were parsed."""

    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="Dataset with manifest.jsonl, or with folders train|test/input|target, or WebDataset shards "
            "(a folder, or names such as train-{000000..000009}.tar, joined by '::'). To mix songs with "
            "noise on the fly, give --songs instead.",
            show_default=False,
        ),
    ] = None
    root: Root = None
    songs: Annotated[Path | None, typer.Option(help="Folder of songs to mix with noise on the fly.")] = None
    noises: Annotated[Path | None, typer.Option(help="Folder of noise recordings (not for white noise).")] = (
        None
    )
    valid_songs: Annotated[
        Path | None, typer.Option(help="Folder of other songs to measure on. Default: every 20th of --songs.")
    ] = None
    valid_noises: Annotated[
        Path | None, typer.Option(help="Folder of other noise recordings to measure on.")
    ] = None
    out: Annotated[Path | None, typer.Option(help="Run folder. Default: runs/NOISE.")] = None
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            autocompletion=propose_recipes,
            help="Settings: white, mixed, together, profile, gpu, recorded, reference, or a TOML file.",
        ),
    ] = None
    noise: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            autocompletion=propose_kinds,
            help="white, mixed, or a class by name or number. Default: white.",
        ),
    ] = None
    targets: Annotated[
        str | None,
        typer.Option(metavar="noisy|clean", help="noisy (Noise2Noise, default), or clean for a comparison."),
    ] = None
    complexity: Annotated[
        int | None, typer.Option(metavar="C", help="Published channel table at C. Default: a tapered table.")
    ] = None
    mask: Annotated[
        str | None, typer.Option(metavar="polar|component", help="polar (default) or component.")
    ] = None
    n_fft: Annotated[int | None, typer.Option(help="Length of the STFT; the network needs 2048.")] = None
    hop_length: Annotated[int | None, typer.Option(help="Samples between STFT frames. Default: 512.")] = None
    sample_rate: Annotated[int | None, typer.Option(help="Network's rate in Hz. Default: 44100.")] = None
    init: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="Weights to start from (fine-tuning).")
    ] = None
    minutes: Annotated[float | None, typer.Option(help="Length of the run in minutes.")] = None
    steps: Annotated[int | None, typer.Option(help="Length of the run in steps.")] = None
    epochs: Annotated[
        float | None,
        typer.Option(help="Length of the run in passes over the data. It is measured after each."),
    ] = None
    batch_size: Annotated[
        int | None, typer.Option(help="Examples per step, over all processes. Default: 6.")
    ] = None
    accumulate: Annotated[
        int | None, typer.Option(help="In how many parts to compute a batch. Default: 1.")
    ] = None
    segment_seconds: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Length of an example. Default: 1.5.")
    ] = None
    snr_range: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="SNRs of mixes in dB. Default: -5 35."),
    ] = None
    target_snr_range: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="SNRs of noisy targets. Default: as --snr-range."),
    ] = None
    schedule: Annotated[
        str | None, typer.Option(metavar="NAME", help="cosine (default), trapezoid, or onecycle.")
    ] = None
    optimizer: Annotated[
        str | None, typer.Option(metavar="muon|adamw", help="muon (for the kernels, default) or adamw.")
    ] = None
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate. Default: 0.002.")] = None
    warmup_steps: Annotated[int | None, typer.Option(help="Steps of warm-up. Default: 50.")] = None
    weight_decay: Annotated[float | None, typer.Option(help="Decay of the weights. Default: 0.0001.")] = None
    clip_norm: Annotated[float | None, typer.Option(help="Limit of the gradient's norm. Default: 5.")] = None
    ema_decay: Annotated[
        float | None, typer.Option(help="Memory of the averaged weights. Default: 0.998.")
    ] = None
    precision: Annotated[
        str | None, typer.Option(metavar="TYPE", help="auto (default), float32 or bf16 (mixed precision).")
    ] = None
    compile: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Put the layers through torch.compile.")
    ] = None
    seed: Annotated[int | None, typer.Option(help="Seed of weights and data. Default: 42.")] = None
    validate_every: Annotated[
        int | None,
        typer.Option(metavar="STEPS", help="Steps between measurements, without --minutes. Default: 500."),
    ] = None
    validate_seconds: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Time between measurements, with --minutes. Default: 600."),
    ] = None
    checkpoint_seconds: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Time between checkpoints. Default: 240.")
    ] = None
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that prepare examples. 0 prepares them between steps.")
    ] = 0
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the run folder.")] = False
    licence: Annotated[
        str, typer.Option(metavar="NAME", help="Licence of the weights, for their metadata.")
    ] = "unknown"
    cache: Annotated[
        Path | None, typer.Option(help="Folder for decoded audio. Default: the user's cache.")
    ] = None
    device: Device = None
    cuda: Cuda = False
    logger: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Who else is told the figures: tensorboard, wandb, mlflow. May be repeated. Default: "
            "TensorBoard, if it is installed.",
            show_default=False,
        ),
    ] = None
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print each validation and the result as one line of JSON on stdout."),
    ] = False
    quiet: Quiet = False
    config: Config = None
    log_level: LogLevel = None


def overrides(request: Request, noise_kind: str | None) -> Overrides:
    """What a request and its kind of noise change in a recipe."""
    from musicdenoise.training.recipe import Overrides

    return Overrides(
        noise_kind=noise_kind,
        accumulation=request.accumulate,
        snr_range_db=request.snr_range,
        target_snr_range_db=request.target_snr_range,
        validate_every_steps=request.validate_every,
        validate_every_seconds=request.validate_seconds,
        checkpoint_every_seconds=request.checkpoint_seconds,
        targets=request.targets,
        minutes=request.minutes,
        steps=request.steps,
        batch_size=request.batch_size,
        segment_seconds=request.segment_seconds,
        schedule=request.schedule,
        optimizer=request.optimizer,
        learning_rate=request.learning_rate,
        warmup_steps=request.warmup_steps,
        weight_decay=request.weight_decay,
        clip_norm=request.clip_norm,
        ema_decay=request.ema_decay,
        precision=request.precision,
        compile=request.compile,
        seed=request.seed,
        complexity=request.complexity,
        mask=request.mask,
        n_fft=request.n_fft,
        hop_length=request.hop_length,
        sample_rate=request.sample_rate,
    )


PANELS = {
    "Data": (
        *("songs", "noises", "valid_songs", "valid_noises", "noise", "targets", "snr_range"),
        *("target_snr_range", "segment_seconds", "root", "cache"),
    ),
    "Run": ("out", "recipe", "init", "minutes", "steps", "epochs", "resume", "seed", "licence"),
    "Network": ("complexity", "mask", "n_fft", "hop_length", "sample_rate"),
    "Optimizer": (
        *("batch_size", "accumulate", "optimizer", "learning_rate", "schedule", "warmup_steps"),
        *("weight_decay", "clip_norm", "ema_decay"),
    ),
    "Measurements and checkpoints": ("validate_every", "validate_seconds", "checkpoint_seconds"),
    "Speed": ("device", "cuda", "precision", "compile", "workers"),
    "Reports": ("logger", "as_json", "quiet"),
    "Settings": ("config", "log_level"),
}
