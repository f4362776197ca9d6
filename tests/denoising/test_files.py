"""What is said about a file that was denoised."""

import math
from pathlib import Path

import pytest

from musicdenoise.audio.writer import AudioWriter
from musicdenoise.core.mixing import rms
from musicdenoise.denoising.denoiser import DenoiseConfig, Denoiser
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.denoising.files import DenoiseReport, denoise_file
from musicdenoise.errors import AudioWriteError


@pytest.fixture
def of_strength(write_wav, noisy_tune, tmp_path: Path):
    song = write_wav("song.wav", noisy_tune[:, :132_300], subtype="FLOAT")

    def denoise(strength: float, *, always: bool = True) -> DenoiseReport:
        denoiser = Denoiser("white", device="cpu", config=DenoiseConfig(strength=strength, gate=not always))
        target = tmp_path / "out" / f"{strength}.wav"
        return denoise_file(denoiser, song, target)

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


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("song.wav", {}, "song.wav: would replace .*song.wav"),
        ("out.wav", {"picture": "song.wav"}, "song.wav: would replace .*song.wav"),
        ("out.wav", {"residual": "song.wav"}, "song.wav: would replace .*song.wav"),
        ("out.wav", {"residual": "out.wav"}, "out.wav: would replace .*out.wav"),
        ("out.wav", {"picture": "out.wav"}, "out.wav: would replace .*out.wav"),
        ("out.wav", {"residual": "x.wav", "picture": "x.wav"}, "x.wav: would replace .*x.wav"),
    ],
)
def test_no_file_of_a_run_replaces_another(
    write_wav, tmp_path: Path, mini_weights: Path, noisy_tune, target: str, options: dict, message: str
) -> None:
    song = write_wav("song.wav", noisy_tune[:, :66_150])
    before = song.read_bytes()
    given = {name: str(tmp_path / value) for name, value in options.items()}
    with pytest.raises(AudioWriteError, match=message):
        denoise_file(
            Denoiser(mini_weights, device="cpu"),
            song,
            tmp_path / target,
            options=FileOptions(overwrite=True, **given),
        )
    assert song.read_bytes() == before
    assert list(tmp_path.iterdir()) == [song]


def test_paths_may_be_text(write_wav, tmp_path: Path, mini_weights: Path, noisy_tune) -> None:
    song = write_wav("song.wav", noisy_tune[:, :66_150])
    options = FileOptions(residual=f"{tmp_path}/rest.wav", picture=f"{tmp_path}/song.png")
    report = denoise_file(
        Denoiser(mini_weights, device="cpu"), str(song), f"{tmp_path}/x.wav", options=options
    )
    assert (report.residual, report.picture) == (tmp_path / "rest.wav", tmp_path / "song.png")
