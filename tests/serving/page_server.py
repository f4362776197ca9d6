"""A server of the page, in a thread."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import uvicorn

from musicdenoise import DenoiseConfig, Denoiser
from musicdenoise.cli.denoise_words import summary
from musicdenoise.serving.app import make_app
from musicdenoise.serving.shelf import Shelf
from musicdenoise.serving.workshop import Wish, Workshop
from serving_client import Client


def make(wish: Wish) -> Denoiser:
    """The network for white noise, whatever is wished for."""
    config = DenoiseConfig(strength=wish.strength, gate=not wish.always)
    return Denoiser("white", device="cpu", config=config)


@contextmanager
def serving(folder: Path) -> Iterator[Client]:
    """A server that keeps songs in a folder."""
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listening, closing(Workshop(make)) as workshop:
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        app = make_app(Shelf(folder), workshop, summary, [host])
        config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield Client(f"http://{host}/")
        finally:
            server.should_exit = True
            thread.join()
