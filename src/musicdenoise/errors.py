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
    └── TrainingError         a training run that cannot start or continue

Every message is one line: what was given, what is allowed, and what to do. A message about a field of
the request (for example ``segment_seconds``) holds a place for the field's name, and the error carries its
value. So all readers see the name that they know: the argument in Python, the option on the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class MusicDenoiseError(Exception):
    """Base of every error that musicdenoise raises on purpose.

    Parameters
    ----------
    message
        One line. ``{name}`` in it is replaced by the name of that field.
    fields
        The fields that the message is about, with the values that were given.

    Examples
    --------
    >>> from musicdenoise import Denoiser, MusicDenoiseError
    >>> try:
    ...     Denoiser("whte")
    ... except MusicDenoiseError as error:
    ...     print(type(error).__name__)
    WeightsError
    """

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.fields = fields

    @classmethod
    def wrong(cls, field: str, value: object, allowed: str, shown: str | None = None) -> MusicDenoiseError:
        """An error about one field.

        Parameters
        ----------
        field, value
            Its name, and the value that was given.
        allowed
            What it must be.
        shown
            The value as the message shows it, with its unit.
        """
        given = value if shown is None else shown
        return cls(f"{{{field}}} is {given}; it must be {allowed}", **{field: value})

    def __str__(self) -> str:
        """The message for a caller in Python."""
        return self.describe(lambda field: field)

    def describe(self, name_of: Callable[[str], str]) -> str:
        """The message with each field under the name that ``name_of`` gives it."""
        text = super().__str__()
        for field in self.fields:
            text = text.replace(f"{{{field}}}", name_of(field))
        return text


class UsageError(MusicDenoiseError):
    """The request itself makes no sense, independent of the files."""


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
    """A training run that cannot start or continue."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Something that could not be done while the rest went on, and why."""

    what: str
    reason: str
