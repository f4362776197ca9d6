"""What comes from outside reaches the terminal as one harmless line."""

import io
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musicdenoise.cli.app import app
from musicdenoise.cli.quoting import quoted, quoted_json
from musicdenoise.evaluation.csv_cells import csv_text

NASTY = "a\nerror: forged\x1b[2J\x9b\u202e.wav"


def test_control_characters_become_visible() -> None:
    assert quoted(NASTY) == "a\\nerror: forged\\x1b[2J\\x9b\\u202e.wav"
    assert quoted("Ärger 音 👩‍🎤 [live].wav") == "Ärger 音 👩‍🎤 [live].wav"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_json_is_json_in_every_locale(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    document = {"source": f"{NASTY}é👩"}
    text = quoted_json(json.dumps(document, ensure_ascii=False))
    assert json.loads(text) == document
    assert "\x9b" not in text
    assert "é" in text if encoding == "utf-8" else text.isascii()


@pytest.mark.skipif(sys.platform == "win32", reason="names may not hold these there")
def test_a_name_cannot_forge_a_message(tmp_path: Path, mini_weights: Path, write_wav, noisy_tune) -> None:
    song = tmp_path / NASTY
    song.write_bytes(b"no audio")
    result = CliRunner().invoke(app, ["denoise", str(song), "--weights", str(mini_weights), "--json"])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {quoted(song)}: is not an audio file")
    assert json.loads(result.stdout)["source"] == str(song)
    write_wav("b\tc\n.wav", noisy_tune[:, :5_000])
    result = CliRunner().invoke(
        app, ["denoise", str(tmp_path / "b\tc\n.wav"), "--weights", str(mini_weights), "--dry-run"]
    )
    (line,) = result.stdout.splitlines()
    source, target = line.split("\t")
    assert source.endswith("b\\tc\\n.wav") and target.endswith("b\\tc\\n_denoised.wav")


def test_cells_are_no_formulas() -> None:
    assert [csv_text(text) for text in ("=1+1", "+1", "-1", "@x", "song")] == [
        "'=1+1",
        "'+1",
        "'-1",
        "'@x",
        "song",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_force_replaces_no_pipe_and_no_link_to_nothing(
    tmp_path: Path, mini_weights: Path, write_wav, noisy_tune
) -> None:
    import os

    song = write_wav("song.wav", noisy_tune[:, :20_000])
    pipe, link = tmp_path / "pipe.wav", tmp_path / "link.wav"
    os.mkfifo(pipe)
    link.symlink_to("not_there/big.wav")
    for target, reason in ((pipe, "is a pipe or a device"), (link, "is a link to not_there/big.wav")):
        arguments = ["denoise", str(song), "--weights", str(mini_weights), "-o", str(target), "--force"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 1
        assert f"error: {target}: {reason}" in result.stderr
    assert pipe.is_fifo() and link.is_symlink()
