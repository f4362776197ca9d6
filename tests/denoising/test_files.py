"""What is said about a file that was denoised."""

import math
from pathlib import Path

import pytest

from musicdenoise.audio.writer import AudioWriter
from musicdenoise.core.mixing import rms
from musicdenoise.denoising.denoiser import DenoiseConfig, Denoiser
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.denoising.files import DenoiseReport, denoise_file


@pytest.fixture
def of_strength(write_wav, noisy_tune, tmp_path: Path):
    song = write_wav("song.wav", noisy_tune[:, :132_300], subtype="FLOAT")

    def denoise(strength: float, *, always: bool = True) -> DenoiseReport:
        denoiser = Denoiser("white", device="cpu", config=DenoiseConfig(strength=strength))
        target = tmp_path / "out" / f"{strength}.wav"
        return denoise_file(denoiser, song, target, options=FileOptions(always=always))

    return denoise


def test_the_noise_in_a_song_does_not_depend_on_how_much_of_it_is_removed(
    of_strength, tune, noisy_tune
) -> None:
    true_db = 20 * math.log10(rms(noisy_tune[:, :132_300] - tune[:, :132_300]))
    whole, half, little = of_strength(1.0), of_strength(0.5), of_strength(0.01, always=False)
    assert whole.noise_db == pytest.approx(true_db, abs=1.0)
    assert half.noise_db == pytest.approx(whole.noise_db, abs=0.01)
    assert little.noise_db == pytest.approx(whole.noise_db, abs=0.01)
    assert half.removed_db == pytest.approx(whole.removed_db - 20 * math.log10(2), abs=0.01)
    assert of_strength(0.0).noise_db == -math.inf


def test_the_speed_is_that_of_the_song(of_strength) -> None:
    report = of_strength(0.0)
    assert report.speed == pytest.approx(3.0 / report.seconds)


def test_an_interruption_once_the_result_is_open_leaves_no_trace(
    write_wav, tmp_path: Path, mini_weights: Path, noisy_tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter = AudioWriter.__enter__

    def enter_and_be_interrupted(writer: AudioWriter) -> None:
        enter(writer)
        raise KeyboardInterrupt

    song = write_wav("song.wav", noisy_tune)
    monkeypatch.setattr(AudioWriter, "__enter__", enter_and_be_interrupted)
    with pytest.raises(KeyboardInterrupt):
        denoise_file(Denoiser(mini_weights, device="cpu"), song, tmp_path / "out.wav")
    assert list(tmp_path.iterdir()) == [song]
