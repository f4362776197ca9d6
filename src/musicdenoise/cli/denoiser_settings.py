"""What all commands that denoise do with their options: check them, and turn them into settings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from musicdenoise.cli import options
from musicdenoise.cli.common import note
from musicdenoise.errors import UsageError

if TYPE_CHECKING:
    from musicdenoise.denoising.batch import DenoiserSettings
    from musicdenoise.denoising.file_options import FileOptions


def check_denoiser(request: options.DenoiserRequest) -> None:
    """Refuse options that contradict each other."""
    noise, weights = request.noise is not None, request.weights is not None
    check_choices(
        ("--noise", noise, "--weights", weights, "both choose a network"),
        ("--no-network", request.no_network, "--noise", noise, "contradict each other"),
        ("--no-network", request.no_network, "--weights", weights, "contradict each other"),
        ("--verbose", request.verbose, "--quiet", request.quiet, "contradict each other"),
        ("--bit-depth", request.bit_depth, "--bitrate", request.bitrate is not None, "exclude each other"),
    )
    if request.no_network and not request.noise_sample and not request.find_noise:
        raise UsageError(
            "--no-network needs to know the noise: give --noise-sample FILE or START-END, or leave "
            "--no-find-noise out"
        )


def check_choices(*pairs: tuple[str, object, str, object, str]) -> None:
    """Refuse pairs of options of which both are given, with the reason."""
    for first, has_first, second, has_second, reason in pairs:
        if has_first and has_second:
            raise UsageError(f"{first} and {second} {reason}: give one of them")


def denoiser_settings(request: options.DenoiserRequest, device: str) -> DenoiserSettings:
    """The options as the settings of a denoiser."""
    from musicdenoise.denoising.auto import AUTO
    from musicdenoise.denoising.batch import DenoiserSettings
    from musicdenoise.denoising.denoise_config import DenoiseConfig
    from musicdenoise.denoising.model import NO_NETWORK
    from musicdenoise.denoising.noise_sample import parse_noise_sample
    from musicdenoise.kinds import parse_noise_word
    from musicdenoise.weights.store import WeightsStore

    noise, weights = request.noise, request.weights
    if request.no_network:
        weights = NO_NETWORK
    elif noise is not None:
        weights = AUTO if noise.strip().lower() == AUTO else parse_noise_word(noise)
    return DenoiserSettings(
        weights=weights,
        noise_samples=tuple(parse_noise_sample(text) for text in request.noise_sample or ()),
        device=device,
        config=DenoiseConfig(
            segment_seconds=request.segment_seconds,
            batch_size=_parse_batch_size(request.batch_size),
            precision=request.precision.value,
            compile=request.compile,
            strength=request.strength,
            atten_limit_db=request.atten_limit,
            gate=not request.always,
            find_noise=request.find_noise,
            match_level=request.noise_sample_level is options.SampleLevel.MATCH,
            channels=request.channels.value,
        ),
        store=WeightsStore.of_user(mirror=request.weights_url, offline=request.offline),
    )


def file_options(request: options.DenoiserRequest) -> FileOptions:
    """The options as settings for files."""
    from musicdenoise.denoising.file_options import FileOptions

    return FileOptions(
        overwrite=request.force,
        bit_depth=request.bit_depth.value if request.bit_depth else None,
        bitrate=None if request.bitrate is None else _parse_bitrate(request.bitrate),
    )


def tell_network(request: options.DenoiserRequest, weights: str | None) -> None:
    """Say which network is used if its name is not what the user typed."""
    from musicdenoise.weights.index import load_aliases

    asked = (request.noise or request.weights or "").strip()
    network = load_aliases().get(weights or "", weights)
    plain = asked if request.noise is None else asked.lower().replace("-", "_").replace(" ", "_")
    if network is None or not asked or asked.isdecimal() or plain == network:
        return
    kind = f"the kind {weights!r}, with " if weights not in (network, plain) else ""
    note(f"{asked}: {kind}the network {network!r}")


def _parse_bitrate(text: str) -> int:
    """Bits per second of ``"192"`` or ``"192k"``."""
    try:
        kbps = float(text.strip().lower().removesuffix("k"))
    except ValueError:
        kbps = math.nan
    if not 1.0 <= kbps <= 10_000.0:
        raise UsageError(f"--bitrate is {text!r}; give kilobits per second, such as 192 or 192k")
    return round(kbps * 1000)


def _parse_batch_size(text: str) -> int | None:
    """Segments at once, or None for ``"auto"``."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--batch-size is {text!r}; give a number of segments of at least 1, or auto")
    return int(text)
