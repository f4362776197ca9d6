"""`musicdenoise correlate` as users call it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from musicdenoise.audio import open_writer
from musicdenoise.cli.app import app


def save(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_writer(path, sample_rate=44_100, channels=1, container="WAV", subtype="PCM_16") as writer:
        writer.write(samples[None].astype(np.float32))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    noise = 0.1 * np.random.default_rng(0).standard_normal(60_000)
    save(tmp_path / "one" / "late.wav", noise[1_000:51_000])
    save(tmp_path / "two" / "late.wav", noise[:50_000])
    save(tmp_path / "one" / "same.wav", noise)
    save(tmp_path / "two" / "same.wav", -noise)
    save(tmp_path / "one" / "alone.wav", noise)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def correlate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["correlate", "one", "two", *arguments])


def test_table_and_report(folders: Path) -> None:
    result = correlate("report.txt")
    assert result.exit_code == 0, result.output
    assert "-1.0000" in result.stdout
    assert "+1.0000" in result.stdout
    assert "1000" in result.stdout
    assert "better aligned at a lag     1" in result.stdout
    assert result.stderr == "warning: one/alone.wav: has no partner in the other folder\n"
    assert "1000 samples (22.676 ms)" in (folders / "report.txt").read_text()
    again = correlate("report.txt")
    assert again.exit_code == 1
    assert "already exists; give --force" in again.stderr
    assert correlate("report.txt", "--force", "--quiet").stdout == ""


def test_json_alone_is_on_stdout(folders: Path) -> None:
    result = correlate("--json", "--jobs", "2")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    late, same = report["pairs"]
    assert (late["key"], late["lag_samples"], late["misaligned"]) == ("late", 1_000, True)
    assert late["lag_correlation"] == pytest.approx(1.0, abs=1e-3)
    assert (same["lag_samples"], same["pearson"]) == (0, pytest.approx(-1.0))
    assert report["unpaired"] == ["one/alone.wav"]


def test_a_broken_file_is_named_and_the_others_are_done(folders: Path) -> None:
    (folders / "two" / "late.wav").write_bytes(b"broken")
    result = correlate("--json")
    assert result.exit_code == 1
    assert "error: late: two/late.wav: is not an audio file" in result.stderr
    assert [pair["key"] for pair in json.loads(result.stdout)["pairs"]] == ["same"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["report.pdf"], 2, "must end in one of .txt, .csv, .json"),
        (["--max-lag", "0"], 2, "--max-lag is 0 s"),
        (["--jobs", "0"], 2, "--jobs is 0"),
    ],
)
def test_bad_requests(folders: Path, arguments: list[str], code: int, message: str) -> None:
    (folders / "one" / "alone.wav").unlink()
    result = correlate(*arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys\n"
        "from musicdenoise.cli.app import app\n"
        "for arguments in (['dataset'], ['dataset', 'build'], ['dataset', 'segment'], ['correlate']):\n"
        "    try:\n"
        "        app([*arguments, '--help'])\n"
        "    except SystemExit as stop:\n"
        "        assert not stop.code, stop.code\n"
        "heavy = {'torch', 'numpy', 'scipy', 'matplotlib', 'av', 'soundfile'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "--path-songs" not in result.stdout
    assert "--songs" in result.stdout
