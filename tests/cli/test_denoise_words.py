"""What the command says of a song, and how its progress moves."""

import io
import math
import time
from pathlib import Path

import pytest
from rich.console import Console

from musicdenoise.cli import progress
from musicdenoise.cli.denoise_words import summary
from musicdenoise.cli.progress import Album, song_progress
from musicdenoise.denoising.denoise_report import DenoiseReport


def report(**changes: object) -> DenoiseReport:
    values = dict.fromkeys(("residual", "picture", "picture_error", "noise_sample"))
    values |= {"source": Path("a.wav"), "target": Path("b.wav"), "weights": "mixed", "is_copy": False}
    values |= dict.fromkeys(("sample_rate", "song_rate"), 1_000) | {"channels": 1, "num_samples": 60_000}
    values |= {"removed_db": -15.5, "noise_db": -40.0, "seconds": 1.0, "num_tracks": 1}
    values |= dict.fromkeys(("passed_seconds", "bass_seconds"), 0.0) | {"clipped_samples": 0}
    values |= dict.fromkeys(("bands", "gaps_seconds", "notes"), ())
    return DenoiseReport(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "removed noise 15.5 dB quieter than the song with the network 'mixed'"),
        ({"removed_db": 2.0, "weights": "none"}, "removed noise 2.0 dB louder than the song"),
        ({"passed_seconds": 12.0}, ", left 12 of 60 s untouched: nothing to remove there"),
        (
            {"passed_seconds": 12.0, "bass_seconds": 12.0},
            ", left 12 of 60 s untouched: what would be removed there is largely bass, which may be music "
            "(--always removes it, or --noise KIND of a low noise)",
        ),
        (
            {"passed_seconds": 12.0, "bass_seconds": 5.0, "weights": "siren"},
            ", left 12 of 60 s untouched: nothing to remove there, or in 5 s of it only what is largely bass"
            ", which may be music (--always removes it)",
        ),
        (
            {"removed_db": -math.inf, "passed_seconds": 60.0, "is_copy": True},
            "left as it came, byte for byte: there is next to nothing to remove for the network 'mixed' "
            "(--always removes it all the same)",
        ),
        (
            {"removed_db": -math.inf},
            "left as it came: there was no noise that the network 'mixed' would remove",
        ),
    ],
)
def test_what_was_done_in_words(changes: dict[str, object], words: str) -> None:
    assert summary(report(**changes), 1.0).endswith(words)


def test_the_time_left_for_all_songs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    songs = [tmp_path / name for name in ("a", "b", "missing")]
    songs[0].write_bytes(bytes(100))
    songs[1].write_bytes(bytes(300))
    album = Album(songs)
    assert album.left(0.0) == ""
    now += 10.0
    assert album.left(0.5) == "all in 0:01:10"  # 50 of 400 bytes in 10 s
    album.advance()
    assert album.left(0.0) == "all in 0:00:30"
    album.advance()
    assert album.left(0.5) == "all in 0:00:00"
    assert Album(songs[:1]).left(0.5) == ""


def test_progress_moves_while_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(
        progress, "Console", lambda **_: Console(file=terminal, force_terminal=True, width=100)
    )
    with song_progress("[1/2] song.wav", left=lambda share: f"all in {share:.2f}") as show:
        show(1, 4)
        time.sleep(0.3)
        before = len(terminal.getvalue())
        time.sleep(0.6)
        assert len(terminal.getvalue()) > before
    assert "[1/2] song.wav" in terminal.getvalue()
    assert "25%" in terminal.getvalue()
    assert "all in 0.25" in terminal.getvalue()
