"""Options that several commands share, and those of `denoise`: their names, help texts and limits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from musicdenoise.cli.completion import propose_formats, propose_networks, propose_noises
from musicdenoise.cli.config_file import Config
from musicdenoise.cli.log import LogLevel, Quiet, Verbose
from musicdenoise.errors import UsageError
from musicdenoise.runtime.precision import Precision
from musicdenoise.runtime.remote import parse_path


class ChannelMode(str, Enum):
    """How the channels of a song are denoised; see `DenoiseConfig`."""

    AUTO = "auto"
    LINKED = "linked"
    INDEPENDENT = "independent"
    MID_SIDE = "mid-side"


class OutputFormat(str, Enum):
    """Formats that can be asked for."""

    WAV = "wav"
    FLAC = "flac"
    MP3 = "mp3"
    OGG = "ogg"
    OPUS = "opus"
    M4A = "m4a"


class SampleLevel(str, Enum):
    """What is done about the level of noise samples that are files of their own."""

    MATCH = "match"
    EXACT = "exact"


class BitDepth(str, Enum):
    """Bit depths that can be asked for."""

    INT16 = "16"
    INT24 = "24"
    FLOAT32 = "32f"


def _path(text: str) -> Path:
    """A path from the command line. Whether it can be read or written shows later."""
    if not text:
        raise typer.BadParameter("the path is empty; is a variable of the shell not set?")
    try:
        return parse_path(text)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from error


Json = Annotated[
    bool, typer.Option("--json", help="Print a report for each input on stdout: one JSON object a line.")
]
WeightsUrl = Annotated[
    str | None,
    typer.Option(
        "--weights-url",
        metavar="URL",
        help="Mirror to fetch networks from. Default: $MUSICDENOISE_WEIGHTS_URL, if set.",
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Do not use the internet.")]
Device = Annotated[
    str | None,
    typer.Option("-d", "--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps. Default: auto."),
]
Cuda = Annotated[
    bool, typer.Option("--cuda", help="Use a CUDA device. If there is none, say so and use the CPU.")
]
Root = Annotated[Path | None, typer.Option(help="Another folder in which files of the manifest may be.")]
Verify = Annotated[
    bool, typer.Option("--verify/--no-verify", help="Compare files with the digests in the manifest.")
]
Processes = Annotated[
    int | None, typer.Option("-j", "--jobs", metavar="N", help="Processes. Default: all processors.")
]


@dataclass(frozen=True, kw_only=True)
class DenoiserRequest:
    """How songs are denoised and written: what all commands that denoise have."""

    noise: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            autocompletion=propose_noises,
            help="What the noise is: a word such as hiss, tape, vinyl, hum, traffic or crowd; white, mixed,"
            " or an UrbanSound8K class by name or number 0-9. 'auto' listens to the beginning of each "
            "song. 'musicdenoise weights list' lists them all. Default: the network for noise of any "
            "kind.",
        ),
    ] = None
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            autocompletion=propose_networks,
            help="Pretrained network, a .safetensors file, or a .pth of NoiseRemover.",
        ),
    ] = None
    noise_sample: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|START-END",
            help="The noise alone: a recording of it, or a stretch of each song, such as 0:00-0:02.5. You "
            "may repeat this. Default: each song is searched for it.",
        ),
    ] = None
    noise_sample_level: Annotated[
        SampleLevel,
        typer.Option(
            metavar="match|exact",
            help="Bring a sample from a file to the level of the song's noise (match), or leave it (exact).",
        ),
    ] = SampleLevel.MATCH
    find_noise: Annotated[
        bool,
        typer.Option(
            "--find-noise/--no-find-noise",
            help="Search each song for a moment of noise alone, and learn from it.",
        ),
    ] = True
    no_network: Annotated[
        bool,
        typer.Option(
            "--no-network",
            help="Only subtract the spectrum of the noise sample. That is the classical way, and faster.",
        ),
    ] = False
    strength: Annotated[
        float,
        typer.Option(metavar="SHARE", min=0.0, max=1.0, help="How much of the noise to remove, 0 to 1."),
    ] = 1.0
    atten_limit: Annotated[
        float | None, typer.Option(metavar="DB", min=0.0, help="Lower the noise by at most this many dB.")
    ] = None
    always: Annotated[bool, typer.Option("--always", help="Denoise even if there is next to no noise.")] = (
        False
    )
    bit_depth: Annotated[
        BitDepth | None,
        typer.Option(
            metavar="16|24|32f", help="Of lossless results; 32f is floating point. Default: the song's."
        ),
    ] = None
    bitrate: Annotated[
        str | None,
        typer.Option(
            metavar="KBPS", help="Of lossy results, such as 192. Default: the song's, or a high one."
        ),
    ] = None
    channels: Annotated[
        ChannelMode,
        typer.Option(
            metavar="MODE",
            help="linked: all at one level; independent: each at its own; mid-side: stereo as middle and "
            "side. auto is mid-side for white noise and with a noise sample, else linked.",
        ),
    ] = ChannelMode.AUTO
    segment_seconds: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.5,
            max=600.0,
            help="How much the network sees at once. More is faster and takes more memory.",
        ),
    ] = 6.0
    batch_size: Annotated[
        str,
        typer.Option(
            metavar="N|auto", help="How many segments to compute at once. auto: 1 on processors, 8 on GPUs."
        ),
    ] = "auto"
    precision: Annotated[
        Precision,
        typer.Option(
            metavar="TYPE",
            help="Arithmetic of the network: float32, tf32, bf16, or auto: bf16 on processors that have it, "
            "tf32 on GPUs that have it, else float32. bf16 is nearly twice as fast; it changes the result by "
            "about -50 dB.",
        ),
    ] = Precision.AUTO
    compile: Annotated[
        bool,
        typer.Option(
            "--compile", help="Compile the network first, which takes a minute. Worth it for many songs."
        ),
    ] = False
    weights_url: WeightsUrl = None
    offline: Offline = False
    device: Device = None
    cuda: Cuda = False
    force: Annotated[bool, typer.Option("-f", "--force", help="Replace existing outputs.")] = False
    verbose: Verbose = False
    quiet: Quiet = False
    config: Config = None
    log_level: LogLevel = None


@dataclass(frozen=True, kw_only=True)
class Request(DenoiserRequest):
    """What is asked for: the options as they were parsed."""

    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT",
            parser=_path,
            help="Songs, folders of songs, patterns, addresses (s3://, gs://, https://), or - for standard "
            "input.",
            show_default=False,
        ),
    ]
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            parser=_path,
            help="Output file (for a single input) or folder. Default: NAME_denoised.EXT beside each input. "
            "The suffix of a file decides its format; - is standard output, as WAV. s3:// and gs:// are "
            "possible, too.",
        ),
    ] = None
    residual: Annotated[
        bool, typer.Option("--residual", help="Also write what was removed, as NAME_residual.EXT.")
    ] = False
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=_path,
            help="Write DIR/index.html, a page to listen to each song before and after and to what was "
            "removed, and DIR/NAME_report.png, the spectrograms.",
        ),
    ] = None
    output_format: Annotated[
        OutputFormat | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            autocompletion=propose_formats,
            help="Format of the results: wav, flac, mp3, ogg, opus or m4a. Default: that of each song.",
        ),
    ] = None
    start: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0.0, help="Denoise only from here on, as a preview: NAME_preview.EXT."
        ),
    ] = 0.0
    duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Length of the preview. Default: to the end.")
    ] = None
    jobs: Annotated[
        int, typer.Option("-j", "--jobs", min=1, help="How many songs to denoise at once, in a process each.")
    ] = 1
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads to use. Default: all.")] = None
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Denoise only the I-th of N equal parts of the songs, sorted by name. N machines that are "
            "given 1/N to N/N share the work.",
        ),
    ] = None
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing", help="Skip inputs whose output exists, or that another run is writing."
        ),
    ] = False
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only list what would be written, a line for each file: INPUT, tab, OUTPUT."
        ),
    ] = False
    as_json: Json = False


PANELS = {
    "Noise": (
        *("noise", "weights", "noise_sample", "noise_sample_level", "no_network", "strength"),
        *("atten_limit", "channels"),
    ),
    "Where noise is looked for": ("find_noise", "always"),
    "Output": ("output", "output_format", "bit_depth", "bitrate", "residual", "start", "duration", "force"),
    "Many songs": ("skip_existing", "jobs", "shard", "dry_run"),
    "Speed": ("device", "cuda", "threads", "segment_seconds", "batch_size", "precision", "compile"),
    "Reports": ("report", "as_json", "verbose", "quiet"),
    "Networks from elsewhere": ("weights_url", "offline"),
    "Settings": ("config", "log_level"),
}
