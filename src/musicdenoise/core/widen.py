"""A network with more channels and the function of a smaller one.

The new channels compute something random that nothing reads yet: the kernels that would read them are zero,
and training fills them. So if a network that took hours to train turns out too small, the hours are not
lost. Source: Chen et al., "Net2Net: accelerating learning via knowledge transfer", ICLR 2016 (where the new
channels are copies of old ones).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from musicdenoise.core.architecture import DCUNetConfig, decoder_groups, encoder_inputs
from musicdenoise.core.dcunet import DCUNet
from musicdenoise.errors import ConfigurationError


def widen(network: DCUNet, config: DCUNetConfig) -> DCUNet:
    """Network with more channels or inputs and the function of a smaller one, and its profile filter.

    Parameters
    ----------
    network
        The smaller one; it stays as it is.
    config
        Configuration of the wider one: at least as many channels in every layer, and the compressions of
        ``network`` first. ``profile_width`` does not count.

    Raises
    ------
    ConfigurationError
        If a layer would have fewer channels, or the inputs, the mask or the level scaling would change.
    """
    small = network.config
    config = replace(config, profile_width=small.profile_width)
    for name in ("mask", "level_reach"):
        ours, theirs = getattr(small, name), getattr(config, name)
        if ours != theirs:
            raise ConfigurationError(f"a network with {name} {ours!r} cannot become one with {theirs!r}")
    if config.compressions[: len(small.compressions)] != small.compressions:
        raise ConfigurationError(
            f"a network with compressions {small.compressions} cannot become one with {config.compressions}: "
            "those that it has come first"
        )
    for name in ("encoder_channels", "decoder_channels"):
        ours, theirs = getattr(small, name), getattr(config, name)
        if any(new < old for old, new in zip(ours, theirs, strict=True)):
            raise ConfigurationError(
                f"a network with {name} {ours} cannot become one with {theirs}: no layer may have fewer "
                "channels than before"
            )
    wide = DCUNet(config)
    sources = zip(_layers(network), _groups(small), strict=True)
    targets = zip(_layers(wide), _groups(config), strict=True)
    with torch.no_grad():
        for (source, groups), (target, wide_groups) in zip(sources, targets, strict=True):
            read = _positions(groups, wide_groups)
            learnt = source.state_dict()
            for name, value in target.state_dict().items():
                _fill(value, learnt[name], read, transposed="convt" in name)
    if wide.profile is not None and network.profile is not None:
        wide.profile.load_state_dict(network.profile.state_dict())
    return wide


def _layers(network: DCUNet) -> Iterator[nn.Module]:
    for side in network.layers():
        yield from side


def _groups(config: DCUNetConfig) -> Iterator[tuple[int, ...]]:
    """Complex channels of the maps that each layer reads."""
    for channels in encoder_inputs(config):
        yield (channels,)
    yield from decoder_groups(config)


def _positions(groups: Sequence[int], wide_groups: Sequence[int]) -> list[int]:
    """The places of a layer's former input channels among its new ones."""
    positions: list[int] = []
    start = 0
    for count, wide_count in zip(groups, wide_groups, strict=True):
        positions += range(start, start + count)
        start += wide_count
    return positions


def _fill(value: Tensor, source: Tensor, read: Sequence[int], *, transposed: bool) -> None:
    """Put what was learnt into its place in a larger tensor of the same kind."""
    if value.ndim == 0:  # a counter
        value.copy_(source)
        return
    if value.ndim == 1:
        value[: len(source)] = source
        return
    rows, learnt = (value.transpose(0, 1), source.transpose(0, 1)) if transposed else (value, source)
    rows[: len(learnt)] = 0.0
    rows[: len(learnt), list(read)] = learnt
