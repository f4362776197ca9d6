"""``musicdenoise weights`` and the cache folder as `denoise` uses it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musicdenoise.cli.app import app
from musicdenoise.weights.index import default_weights, find_entry, load_index


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MUSICDENOISE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def listed() -> dict[str, dict[str, object]]:
    result = invoke("weights", "list", "--json")
    assert result.exit_code == 0
    return {entry["name"]: entry for entry in map(json.loads, result.stdout.splitlines())}


def test_the_table_fits_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = invoke("weights", "list").stdout.splitlines()
    for entry in load_index():
        line = next(line for line in lines if line.startswith(f"{entry.name} "))
        assert entry.noise_kind in line
        assert entry.licence in line


def test_fetch_list_verify_remove(cache: Path) -> None:
    name = default_weights()
    assert set(listed()) == {entry.name for entry in load_index()}
    assert not listed()[name]["cached"]
    assert invoke("weights", "fetch", name).exit_code == 0
    assert listed()[name]["cached"]
    path = Path(invoke("weights", "path", name).stdout.strip())
    assert path.parent == cache
    assert Path(invoke("weights", "path").stdout.strip()) == cache
    assert invoke("weights", "verify").exit_code == 0
    path.write_bytes(b"damaged")
    result = invoke("weights", "verify")
    assert result.exit_code == 1
    assert "is damaged" in result.stderr
    assert invoke("weights", "fetch", "--all", "--offline").exit_code == 0
    assert invoke("weights", "verify").exit_code == 0
    assert invoke("weights", "remove", "--all").exit_code == 0
    assert not path.exists()


def test_the_table_names_every_network() -> None:
    result = invoke("weights", "list")
    assert result.exit_code == 0
    for entry in load_index():
        assert entry.name in result.stdout


@pytest.mark.parametrize("command", ["fetch", "remove"])
def test_wrong_usage(command: str) -> None:
    assert invoke("weights", command).exit_code == 2
    assert invoke("weights", command, "white", "--all").exit_code == 2
    result = invoke("weights", command, "purple")
    assert result.exit_code == 1
    assert "no pretrained weights named 'purple'" in result.stderr


def test_denoise_fetches_on_first_use(cache: Path, write_wav, noisy_tune) -> None:
    song = write_wav("song.wav", noisy_tune[:, :30_000])
    result = invoke("denoise", song, "--offline", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert (cache / find_entry(default_weights()).file).exists()
