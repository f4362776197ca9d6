"""What was done to a song."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from musicdenoise.denoising.meter import BandReport
from musicdenoise.denoising.noise_sample import NoiseReport


@dataclass(frozen=True, kw_only=True)
class DenoiseReport:
    """What was done to a file.

    Parameters
    ----------
    source, target, residual, picture
        The files; ``residual`` and ``picture`` are None if you did not ask for them.
    picture_error
        Why there is no picture, if you asked for one; otherwise None.
    weights
        Name of the network.
    sample_rate, channels, num_samples
        Rate in Hz, channels and samples of the result.
    song_rate
        Sample rate of the song. The format of the result may not have it.
    noise_sample
        Where the spectrum of the noise came from, a sample or the song; None if it was not known.
    removed_db
        Power of what was removed, relative to the noisy song, in dB.
    noise_db
        Level of the noise that the network found in the song, removed or not: root mean square in dB re full
        scale. Minus infinity if there was none, or if the strength is 0.
    bands
        What was removed from each band.
    passed_seconds, bass_seconds
        Time that was left as it was, and the part of it where mostly bass would have been removed; see
        `Gate`.
    gaps_seconds
        Beginning and length of stretches of the source that are damaged; they are silent in the result.
    notes
        Odd things about the source, a sentence each.
    num_tracks
        Audio tracks of the source; only the first was denoised.
    is_copy
        Whether the result is the source byte for byte: nothing was removed, and the format is the same.
    clipped_samples
        Samples of the result that exceeded full scale and were limited.
    seconds
        Time taken.

    Examples
    --------
    >>> import tempfile, numpy as np, soundfile
    >>> from pathlib import Path
    >>> from musicdenoise import Denoiser, denoise_file
    >>> song = Path(tempfile.mkdtemp(), "song.wav")
    >>> soundfile.write(song, 0.1 * np.random.default_rng(0).standard_normal(44_100), 44_100)
    >>> report = denoise_file(Denoiser("white", device="cpu"), song, song.with_name("clean.wav"))
    >>> report.weights, report.audio_seconds, report.clipped_samples
    ('white', 1.0, 0)
    >>> report.removed_db > -3.0  # almost all of it was hiss
    True
    """

    source: Path
    target: Path
    residual: Path | None
    picture: Path | None
    picture_error: str | None
    weights: str
    sample_rate: int
    song_rate: int
    channels: int
    num_samples: int
    noise_sample: NoiseReport | None
    removed_db: float
    noise_db: float
    bands: tuple[BandReport, ...]
    passed_seconds: float
    bass_seconds: float
    gaps_seconds: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]
    num_tracks: int
    is_copy: bool
    clipped_samples: int
    seconds: float

    @property
    def audio_seconds(self) -> float:
        """Length of the result in seconds."""
        return self.num_samples / self.sample_rate

    @property
    def speed(self) -> float:
        """Seconds of the song for each second taken."""
        return self.audio_seconds / max(self.seconds, 1e-9)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is odd about the file or its result, a sentence each, without its name."""
        gaps = (
            f"is damaged or empty from {start:.2f} to {start + length:.2f} s; the result is silent there"
            for start, length in self.gaps_seconds
        )
        rest = []
        if self.num_tracks > 1:
            rest.append(
                f"has {self.num_tracks} audio tracks; the first was denoised, the others were left out"
            )
        if self.clipped_samples:
            rest.append(f"{self.clipped_samples} samples beyond full scale were limited")
        return (*gaps, *self.notes, *rest)
