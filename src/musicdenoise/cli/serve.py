"""``musicdenoise serve``: a page on this machine, to try songs in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from musicdenoise.cli import options
from musicdenoise.cli.common import choose_device, note, print_data, takes
from musicdenoise.cli.config_file import Config
from musicdenoise.cli.log import LogLevel, Quiet
from musicdenoise.errors import UsageError

if TYPE_CHECKING:
    from musicdenoise.denoising.song_denoiser import SongDenoiser
    from musicdenoise.serving.workshop import Wish

_NEEDED = ("starlette", "uvicorn")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: the options as they were parsed."""

    port: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=65_535, help="Port on this machine; 0 for any that is free."),
    ] = 8_765
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in your browser.")] = False
    device: options.Device = None
    cuda: options.Cuda = False
    weights_url: options.WeightsUrl = None
    offline: options.Offline = False
    quiet: Quiet = False
    config: Config = None
    log_level: LogLevel = None


PANELS = {
    "Page": ("port", "open_browser"),
    "Speed": ("device", "cuda"),
    "Reports": ("quiet",),
    "Networks from elsewhere": ("weights_url", "offline"),
    "Settings": ("config", "log_level"),
}


@takes(Request, PANELS)
def serve(request: Request) -> None:
    """Show a page in your browser to try songs: drop one, listen before and after, download the result.

    Only this machine can open it, and songs stay on it. Its address is printed; Ctrl-C ends the program and
    deletes the songs that were dropped.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} must be installed for this command: pip install 'musicdenoise[serve]'"
        )
    from musicdenoise.cli.denoise_words import summary
    from musicdenoise.serving.server import run_server

    def on_ready(address: str) -> None:
        print_data(address)
        note("Open this address in your browser; Ctrl-C ends the program.")
        if request.open_browser:
            import webbrowser

            webbrowser.open(address)

    device = choose_device(request.device, cuda=request.cuda)
    try:
        run_server(
            request.port,
            lambda wish: _make(wish, device, request),
            lambda report, share: summary(report, share, hints=False),
            on_ready,
        )
    except KeyboardInterrupt:
        note("ended; the songs are deleted")


def _make(wish: Wish, device: str, request: Request) -> SongDenoiser:
    """What denoises as wished for."""
    from musicdenoise.denoising.auto import AUTO
    from musicdenoise.denoising.batch import DenoiserSettings, make_denoiser
    from musicdenoise.denoising.denoise_config import DenoiseConfig
    from musicdenoise.kinds import parse_noise_word
    from musicdenoise.weights.store import WeightsStore

    weights = AUTO if wish.noise == AUTO else parse_noise_word(wish.noise) if wish.noise else None
    return make_denoiser(
        DenoiserSettings(
            weights=weights,
            device=device,
            config=DenoiseConfig(strength=wish.strength, gate=not wish.always),
            store=WeightsStore.of_user(mirror=request.weights_url, offline=request.offline),
        )
    )
