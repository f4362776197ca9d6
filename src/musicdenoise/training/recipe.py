"""Recipes: settings of a training run in a small TOML file, by name or by path.

A recipe has the fields of `TrainConfig` (or ``segment_seconds`` for ``segment_frames``), with two tables:
``[network]`` (``channels = "tapered"`` or ``"deep"``, ``complexity = C``, or ``encoder_channels`` and
``decoder_channels``; ``mask``, ``level_reach``, ``profile_width``, ``compressions``) and ``[stft]``. With
``family = "fine"`` the table has the fields of `musicdenoise.core.fine_unet.FineUNetConfig` and
``spectrum_width``. Settings that are not in it keep their defaults. The package has the recipes of the
published weights, one for a large GPU, one for recorded noise, and the reference's.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from musicdenoise.core.architecture import DCUNetConfig
from musicdenoise.core.families import FAMILIES, NetworkConfig
from musicdenoise.core.fine_net import FINE, FineNetConfig
from musicdenoise.core.fine_unet import FINE_STFT, FineUNetConfig
from musicdenoise.core.stft import StftConfig
from musicdenoise.errors import ConfigurationError, UsageError
from musicdenoise.runtime.documents import DocumentError, read_document
from musicdenoise.training.config import TrainConfig, frames_for_seconds

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOLDER = files("musicdenoise") / "training" / "recipes"
_IN_TABLES = {"network": ("complexity", "mask"), "stft": ("n_fft", "hop_length", "sample_rate")}
_CHANNELS = ("encoder_channels", "decoder_channels")
_NAMED = {"tapered": DCUNetConfig.tapered, "deep": DCUNetConfig.deep}
_OTHERS = ("mask", "level_reach", "profile_width", "compressions")
_SECONDS = "segment_seconds"


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """Settings that count more than a recipe's; None leaves what the recipe says.

    They are those of `TrainConfig`, beside the length of an example in seconds, the channel table
    (``complexity``) and mask of the network, and the lengths and rate of the STFT.
    """

    noise_kind: str | None = None
    targets: str | None = None
    snr_range_db: tuple[float, float] | None = None
    target_snr_range_db: tuple[float, float] | None = None
    segment_seconds: float | None = None
    batch_size: int | None = None
    accumulation: int | None = None
    minutes: float | None = None
    steps: int | None = None
    schedule: str | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    warmup_steps: int | None = None
    weight_decay: float | None = None
    clip_norm: float | None = None
    ema_decay: float | None = None
    validate_every_seconds: float | None = None
    validate_every_steps: int | None = None
    checkpoint_every_seconds: float | None = None
    precision: str | None = None
    compile: bool | None = None
    seed: int | None = None
    complexity: int | None = None
    mask: str | None = None
    n_fft: int | None = None
    hop_length: int | None = None
    sample_rate: int | None = None


def recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    return sorted(Path(entry.name).stem for entry in _FOLDER.iterdir() if entry.name.endswith(".toml"))


def load_recipe(name_or_path: str) -> dict[str, Any]:
    """Settings of a recipe.

    Parameters
    ----------
    name_or_path
        Name of a recipe in the package, or the path of a ``.toml`` file.

    Raises
    ------
    UsageError
        If there is no such recipe.
    ConfigurationError
        If the file is not TOML, or holds an unknown setting.
    """
    if name_or_path in recipe_names():
        text = (_FOLDER / f"{name_or_path}.toml").read_text(encoding="utf-8")
    else:
        path = Path(name_or_path)
        if not path.is_file():
            raise UsageError(
                f"there is no recipe {name_or_path!r}: choose {', '.join(recipe_names())}, or give a .toml "
                "file"
            )
        text = _read(path)
    try:
        settings: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"the recipe {name_or_path} is not valid TOML: {error}") from error
    except (RecursionError, ValueError) as error:  # numbers of more digits than Python reads
        raise ConfigurationError(
            f"the recipe {name_or_path} cannot be used: it is nested too deeply, or holds an endless number"
        ) from error
    known = {field.name for field in fields(TrainConfig)} | {_SECONDS}
    for unknown in sorted(settings.keys() - known):
        raise ConfigurationError(
            f"the recipe {name_or_path} has the unknown setting {unknown!r}: known are "
            f"{', '.join(sorted(known))}"
        )
    return settings


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"the recipe {path} is not text in UTF-8: save it as UTF-8, as TOML wants it"
        ) from error


def build_network(settings: Mapping[str, Any]) -> NetworkConfig:
    """Network of a table ``[network]``.

    Parameters
    ----------
    settings
        ``family`` is ``"dcunet"`` (the default) or ``"fine"``. The first has ``complexity``, or
        ``encoder_channels`` and ``decoder_channels``, or ``channels`` (``"tapered"``, the default, or
        ``"deep"``), and ``mask``, ``level_reach``, ``profile_width`` and ``compressions``. The second has
        the fields of `FineUNetConfig`, and ``spectrum_width``.

    Raises
    ------
    ConfigurationError
        If a setting is unknown or out of range.
    """
    family = settings.get("family", FAMILIES[0])
    if family not in FAMILIES:
        raise ConfigurationError(f"family is {family!r}; it must be one of {', '.join(FAMILIES)}")
    others = {name: value for name, value in settings.items() if name != "family"}
    return _fine_network(others) if family == FINE else _dcunet(others)


def _fine_network(settings: Mapping[str, Any]) -> FineNetConfig:
    known = {field.name for field in fields(FineUNetConfig)}
    for name in sorted(settings.keys() - {*known, "spectrum_width"}):
        raise ConfigurationError(
            f"{name} is not a setting of the network family fine: it has {', '.join(sorted(known))} and "
            "spectrum_width"
        )
    unet = {name: value for name, value in settings.items() if name in known}
    if "channels" in unet:
        unet["channels"] = _counts("channels", unet["channels"])
    others = {name: value for name, value in settings.items() if name not in known}
    return FineNetConfig(unet=FineUNetConfig(**unet), **others)


def _dcunet(settings: Mapping[str, Any]) -> DCUNetConfig:
    changes = _changes(settings)
    unknown = settings.keys() - {"channels", "complexity", *_OTHERS, *_CHANNELS}
    table = [settings.get(name) for name in _CHANNELS]
    named = _NAMED.get(str(settings.get("channels", "tapered")))
    if unknown or named is None or table.count(None) == 1:
        raise ConfigurationError(
            f'the network is described by {dict(settings)}: give complexity, or channels = "tapered" or '
            f'"deep", or encoder_channels and decoder_channels, and perhaps {", ".join(_OTHERS)}'
        )
    complexity = settings.get("complexity")
    if complexity is not None:
        if not isinstance(complexity, int) or complexity < 1:
            raise ConfigurationError(f"complexity is {complexity!r}; it must be a whole number of at least 1")
        return DCUNetConfig.of_complexity(complexity, **changes)
    if None in table:
        return named(**changes)
    encoders, decoders = (_counts(name, settings[name]) for name in _CHANNELS)
    return DCUNetConfig(encoder_channels=encoders, decoder_channels=decoders, **changes)


def _changes(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in a table ``[network]`` other than channels."""
    changes = {name: settings[name] for name in _OTHERS if settings.get(name) is not None}
    for name in ("level_reach", "profile_width"):
        if not isinstance(changes.get(name, 0), int):
            raise ConfigurationError(f"{name} is {changes[name]!r}; it must be a whole number")
    if "compressions" in changes:
        changes["compressions"] = _exponents(changes["compressions"])
    return changes


def _exponents(value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(isinstance(exponent, float) for exponent in value):
        raise ConfigurationError(f"compressions is {value!r}; it must be a list of exponents such as [0.3]")
    return tuple(value)


def _counts(name: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(isinstance(count, int) for count in value):
        raise ConfigurationError(f"{name} is {value!r}; it must be a list of whole numbers")
    return tuple(value)


def build_config(
    recipe: Mapping[str, Any], overrides: Overrides | None = None, initial: NetworkConfig | None = None
) -> TrainConfig:
    """Configuration of a recipe, with what overrides it.

    Parameters
    ----------
    recipe
        From `load_recipe`; empty for the defaults.
    overrides
        What counts more than the recipe, if anything.
    initial
        Network of the weights to start from. It is used if neither recipe nor overrides give channels;
        their other settings for the network are applied to it.

    Raises
    ------
    ConfigurationError
        If values are out of range or do not fit together.
    """
    given = {name: value for name, value in asdict(overrides or Overrides()).items() if value is not None}
    tables = {
        table: {**_table(recipe, table), **{name: given.pop(name) for name in names if name in given}}
        for table, names in _IN_TABLES.items()
    }
    if {"minutes", "steps"} & given.keys():
        # A length from the command line replaces that of the recipe, of whichever kind.
        recipe = {name: value for name, value in recipe.items() if name not in ("minutes", "steps")}
    settings = {**{name: value for name, value in recipe.items() if name not in tables}, **given}
    for name in ("snr_range_db", "target_snr_range_db"):
        if settings.get(name) is not None:
            settings[name] = _limits(name, settings[name])
    table = tables["network"]
    try:
        network = build_network(table)
        if isinstance(initial, FineNetConfig) and not table:
            network = initial
        elif isinstance(initial, DCUNetConfig) and not table.keys() - set(_OTHERS):
            network = replace(initial, **_changes(table))
        is_fine = isinstance(network, FineNetConfig)
        stft = StftConfig(**{**(asdict(FINE_STFT) if is_fine else {}), **tables["stft"]})
        if _SECONDS in settings:
            settings["segment_frames"] = frames_for_seconds(settings.pop(_SECONDS), stft)
        config = TrainConfig(network=network, stft=stft, **settings)
        read_document(
            TrainConfig, json.dumps(asdict(config)), skip_unknown=True
        )  # for the types of its values
    except (TypeError, DocumentError) as error:
        raise ConfigurationError(f"the settings cannot be used: {error}") from error
    return config


def _table(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Table of this name, empty where there is none."""
    table = settings.get(name, {})
    if not isinstance(table, Mapping):
        raise ConfigurationError(
            f"{name} is {table!r}; it must be a table: put its settings below a line [{name}]"
        )
    return table


def _limits(name: str, value: Any) -> tuple[float, float]:
    """Lowest and highest SNR in dB."""
    is_pair = isinstance(value, (list, tuple)) and len(value) == 2
    if not is_pair or not all(isinstance(limit, (int, float)) and math.isfinite(limit) for limit in value):
        raise ConfigurationError(f"{name} is {value!r}; it must be two numbers of dB such as [-5.0, 35.0]")
    return value[0], value[1]
