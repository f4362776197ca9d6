"""Running the server: on this machine only, with a folder that is gone when it ends."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType

import uvicorn

from musicdenoise.denoising.song_denoiser import SongDenoiser
from musicdenoise.errors import UsageError
from musicdenoise.serving.app import Words, make_app
from musicdenoise.serving.shelf import Shelf
from musicdenoise.serving.workshop import Wish, Workshop

_ADDRESS = "127.0.0.1"
_NAMES = (_ADDRESS, "localhost")
_LEAVE_SECONDS = 1  # for requests under way when the server ends; chosen


def run_server(
    port: int, make: Callable[[Wish], SongDenoiser], words: Words, on_ready: Callable[[str], None]
) -> None:
    """Serve the page until the process is interrupted.

    Parameters
    ----------
    port
        Port on this machine; 0 for one that is free.
    make
        Makes what denoises as wished for.
    words
        What the page says of a song.
    on_ready
        Called with the page's address when it can be opened.

    Raises
    ------
    UsageError
        If the port cannot be had.
    KeyboardInterrupt
        When the process is interrupted. Songs and results are deleted by then.
    """
    with (
        closing(listen(port)) as listening,
        tempfile.TemporaryDirectory(prefix="musicdenoise_", ignore_cleanup_errors=True) as folder,
        closing(Workshop(make)) as workshop,
    ):
        hosts = [f"{name}:{listening.getsockname()[1]}" for name in _NAMES]
        app = make_app(Shelf(Path(folder)), workshop, words, hosts)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_LEAVE_SECONDS,
        )
        workshop.warm_up()
        on_ready(f"http://{hosts[0]}/")
        _Server(config, workshop).run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server that stops all work when it is told to end, and then ends without a word."""

    def __init__(self, config: uvicorn.Config, workshop: Workshop) -> None:
        super().__init__(config)
        self._workshop = workshop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._workshop.stop()
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        super().handle_exit(sig, frame)


def listen(port: int) -> socket.socket:
    """A socket that takes connections from this machine only; errors as those of `run_server`."""
    listening = socket.socket()
    if os.name == "posix":  # elsewhere this would let two programs have one port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # soon after the last run
    try:
        listening.bind((_ADDRESS, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise UsageError(
            f"{{port}} is {port}, which cannot be used: {error.strerror}; choose another one, or 0 for any "
            "that is free",
            port=port,
        ) from error
    return listening
