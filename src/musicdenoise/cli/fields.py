"""The one place where fields of a request become options of the command line.

The other packages speak of fields, as callers in Python know them; see `MusicDenoiseError`.
"""

from __future__ import annotations

from musicdenoise.errors import MusicDenoiseError

# Fields whose options have another name.
_OPTIONS = {
    "accumulation": "--accumulate",
    "atten_limit_db": "--atten-limit",
    "checkpoint_every_seconds": "--checkpoint-seconds",
    "duration_seconds": "--duration",
    "file_format": "--format",
    "initial": "--init",
    "loggers": "--logger",
    "most_lag_seconds": "--max-lag",
    "noise_class": "--class",
    "num_samples": "--length",
    "overwrite": "--force",
    "pairs_per_song": "--max-noises",
    "shard_megabytes": "--shard-size",
    "skip_end_seconds": "--skip-end",
    "skip_start_seconds": "--skip-start",
    "snr_range_db": "--snr-range",
    "start_seconds": "--start",
    "validate_every_seconds": "--validate-seconds",
    "validate_every_steps": "--validate-every",
}
# Fields that only a recipe sets.
_IN_RECIPES = frozenset(
    {
        "compressions",
        "decoder_channels",
        "encoder_channels",
        "generated_share",
        "level_reach",
        "objective",
        "plain_share",
        "profile_width",
        "sample_share",
        "segment_frames",
    }
)


def option_of(field: str) -> str:
    """The option that sets a field: ``"--max-train"`` of ``"max_train"``; the field itself if none does."""
    if field in _IN_RECIPES:
        return field
    return _OPTIONS.get(field, f"--{field.replace('_', '-')}")


def describe(error: object) -> str:
    """The message of an error, with options in place of fields."""
    return error.describe(option_of) if isinstance(error, MusicDenoiseError) else str(error)
