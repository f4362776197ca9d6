"""A network and what is known of it, or no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from musicdenoise.core.dcunet import DCUNet
from musicdenoise.core.families import Network
from musicdenoise.core.stft import StftConfig
from musicdenoise.kinds import ANY_NOISE, NOISE_KINDS, WHITE_NOISE
from musicdenoise.weights.index import default_weights, load_aliases, load_index
from musicdenoise.weights.loading import load_network
from musicdenoise.weights.store import WeightsStore, resolve_weights

NO_NETWORK = "none"
"""The name that asks for plain subtraction, instead of a network."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A network.

    Parameters
    ----------
    name
        Name of its weights.
    network
        The network; None for plain subtraction of a known noise.
    stft
        The STFT that it works on.
    known_kind
        The kind of noise that the network is for, if it is for one kind.
    is_for_white
        Whether it is for white noise only, at any level.
    is_refined
        Whether a refiner stands behind it; see `musicdenoise.core.refiner`.
    """

    name: str
    network: Network | None
    stft: StftConfig
    known_kind: str | None = None
    is_for_white: bool = False
    is_refined: bool = False

    @property
    def runs_as_authors(self) -> bool:
        """Whether it is one of NoiseRemover's networks, which work at one level only."""
        return _runs_as_authors(self.network)


def load_model(
    weights: str | Path | None,
    store: WeightsStore | None = None,
    on_fetch: Callable[[int, int | None], None] | None = None,
) -> Model:
    """The network of a name or a file.

    Parameters
    ----------
    weights
        Name of a pretrained network, path of a weights file, `NO_NETWORK`, or None for the default network.
    store
        Where pretrained networks are kept; the user's cache folder by default.
    on_fetch
        Called while a network is fetched, with the bytes so far and all bytes.

    Raises
    ------
    WeightsError
        If there are no such weights, or they cannot be read.
    """
    if weights == NO_NETWORK:
        return Model(name=NO_NETWORK, network=None, stft=StftConfig())
    resolved = resolve_weights(default_weights() if weights is None else weights, store, on_fetch)
    network, metadata = load_network(resolved.path)
    kind = str(weights) if str(weights) in load_aliases() else metadata.noise_kind
    return Model(
        name=resolved.name,
        network=network,
        stft=metadata.stft,
        known_kind=kind if kind in NOISE_KINDS and kind != ANY_NOISE else None,
        # NoiseRemover's network for white noise runs as its authors run it.
        is_for_white=metadata.noise_kind == WHITE_NOISE and not _runs_as_authors(network),
        is_refined=any(entry.name == resolved.name and entry.is_refined for entry in load_index()),
    )


def _runs_as_authors(network: Network | None) -> bool:
    """Whether it is one of NoiseRemover's, which work at one level only."""
    return isinstance(network, DCUNet) and network.config.level_reach == 0
