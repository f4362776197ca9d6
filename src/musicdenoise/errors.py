"""The exceptions that musicdenoise raises, as one tree.

::

    MusicDenoiseError
    ├── UsageError            the request itself makes no sense (exit code 2)
    ├── ConfigurationError    a configuration whose values do not fit together
    ├── AudioError            anything about an audio file or signal
    │   ├── AudioReadError        cannot be opened or decoded
    │   ├── AudioWriteError       cannot be encoded or stored
    │   └── UnsupportedAudioError a format, rate or channel count that is not handled
    ├── DataError             songs, noises, pairs and manifests
    ├── WeightsError          weights that cannot be found, read or trusted
    ├── DeviceError           a compute device that is not there
    └── TrainingError         a training run that cannot start or go on

Every message says what was given, what is allowed, and what to do. Messages are one line, so that
a command-line program can print them as they are.
"""

from __future__ import annotations

__all__ = [
    "AudioError",
    "AudioReadError",
    "AudioWriteError",
    "ConfigurationError",
    "DataError",
    "DeviceError",
    "MusicDenoiseError",
    "TrainingError",
    "UnsupportedAudioError",
    "UsageError",
    "WeightsError",
]


class MusicDenoiseError(Exception):
    """Base of every error that musicdenoise raises on purpose."""


class UsageError(MusicDenoiseError):
    """The request itself makes no sense, whatever the files hold."""


class ConfigurationError(MusicDenoiseError):
    """A configuration whose values are out of range or do not fit together."""


class AudioError(MusicDenoiseError):
    """An audio file or signal that cannot be handled."""


class AudioReadError(AudioError):
    """A file that cannot be opened or decoded."""


class AudioWriteError(AudioError):
    """A file that cannot be encoded or stored."""


class UnsupportedAudioError(AudioError):
    """A format, sample rate or channel count that is not handled."""


class DataError(MusicDenoiseError):
    """Songs, noises, pairs or manifests that are missing or inconsistent."""


class WeightsError(MusicDenoiseError):
    """Weights that cannot be found, read or trusted."""


class DeviceError(MusicDenoiseError):
    """A compute device that was asked for and is not there."""


class TrainingError(MusicDenoiseError):
    """A training run that cannot start or cannot go on."""
