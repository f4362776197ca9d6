"""The families of networks: their configurations, and how to build one.

- ``dcunet``: the 20-layer Deep Complex U-Net (`musicdenoise.core.dcunet`), one spectrogram in, one out;
- ``fine``: noise spectrum and fine U-Net (`musicdenoise.core.fine_net`), waveform in, two waveforms out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from musicdenoise.core.architecture import NUM_FREQS, DCUNetConfig
from musicdenoise.core.dcunet import DCUNet
from musicdenoise.core.fine_net import FINE, FineNet, FineNetConfig
from musicdenoise.core.fine_unet import FINE_STFT, FineUNetConfig
from musicdenoise.errors import ConfigurationError

Network = DCUNet | FineNet
NetworkConfig = DCUNetConfig | FineNetConfig

DCUNET = "dcunet"
FAMILIES = (DCUNET, FINE)

_KEY = "family"


def n_fft_of(config: NetworkConfig) -> int:
    """Length of the transform that the layers of a network fit."""
    return FINE_STFT.n_fft if isinstance(config, FineNetConfig) else 2 * (NUM_FREQS - 1)


def new_network(config: NetworkConfig) -> Network:
    """Network of a configuration, with random weights."""
    return FineNet(config) if isinstance(config, FineNetConfig) else DCUNet(config)


def check_family(name: str) -> str:
    """The name itself.

    Raises
    ------
    ConfigurationError
        If there is no such family.
    """
    if name not in FAMILIES:
        raise ConfigurationError(
            f"the network is of the family {name!r}, this musicdenoise knows {', '.join(FAMILIES)}: install "
            "a newer version"
        )
    return name


def config_from_json(document: Mapping[str, Any]) -> NetworkConfig:
    """Configuration from its fields. Fields that did not exist when they were stored have their defaults.

    Raises
    ------
    ConfigurationError
        If the family is unknown, or a value is out of range.
    TypeError
        If a field is unknown or of another type.
    """
    fields = dict(document)
    if check_family(fields.get(_KEY, DCUNET)) == DCUNET:
        for name in ("encoder_channels", "decoder_channels", "compressions"):
            fields[name] = tuple(fields.get(name, ()))
        return DCUNetConfig(**fields)
    unet = dict(fields.pop("unet"))
    return FineNetConfig(unet=FineUNetConfig(**{**unet, "channels": tuple(unet["channels"])}), **fields)
