"""Settings from a TOML file, and how much is told."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musicdenoise.cli.app import app

GUIDE = Path(__file__).parents[2] / "docs" / "settings.md"


def invoke(*arguments: object, **environment: str):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)


@pytest.fixture
def song(write_wav, noisy_tune) -> Path:
    return write_wav("song.wav", noisy_tune[:, :30_000])


def write(folder: Path, text: str, name: str = "settings.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_sets_defaults_and_the_command_line_counts_more(tmp_path: Path, song: Path) -> None:
    text = '[denoise]\nformat = "flac"\ndry_run = true\nno-find-noise = true\nnoise-sample = "0-0.1"\n'
    config = write(tmp_path, text)
    arguments = ("denoise", song, "--device", "cpu")
    for result in (
        invoke(*arguments, "--config", config),
        invoke(*arguments, MUSICDENOISE_CONFIG=str(config)),
    ):
        assert result.exit_code == 0, result.output
        assert result.stdout == f"{song}\t{tmp_path / 'song_denoised.flac'}\n"
    result = invoke(*arguments, "--config", config, "--format", "mp3")
    assert result.stdout.endswith("song_denoised.mp3\n")
    config = write(
        tmp_path, f"[tool.ruff]\nx = 1\n[tool.musicdenoise.denoise]\n{text[10:]}", "pyproject.toml"
    )
    assert invoke(*arguments, "--config", config).stdout.endswith("song_denoised.flac\n")


def test_tables_of_commands_in_groups(tmp_path: Path, song: Path) -> None:
    config = write(tmp_path, '[dataset.build]\nkind = "white"\nsnr-range = [3, 1]\n')
    result = invoke("dataset", "build", "--songs", tmp_path, "--config", config)
    assert result.exit_code == 2
    assert "snr" in result.stderr.lower()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1", "there is no command x"),
        ("[denoize]\nnoise = 'hiss'", "there is no command denoize"),
        ("[dataset.make]\n", "there is no command dataset.make"),
        ("denoise = 1", "denoise must be a table"),
        ("[denoise]\nfoo = 1", "there is no option 'foo'"),
        ("[denoise]\nconfig = 'x'", "there is no option 'config'"),
        ("[denoise]\nstrength = 5", "--strength"),
        ("[denoise", "is not TOML"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, song: Path, text: str, told: str) -> None:
    result = invoke("denoise", song, "--config", write(tmp_path, text), COLUMNS="300")
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_a_file_that_is_not_there_is_told(tmp_path: Path, song: Path) -> None:
    result = invoke("denoise", song, "--config", tmp_path / "none.toml", COLUMNS="300")
    assert result.exit_code == 2
    assert "cannot be read: No such file" in result.stderr


def test_the_level_decides_what_is_told(
    tmp_path: Path, song: Path, mini_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(**_: object) -> None:
        logging.getLogger("library").info("three\nlines\nof it")
        logging.getLogger("library").warning("escape \x1b[2J")

    monkeypatch.setattr("musicdenoise.cli.denoise._check_usage", lambda request: tell())
    arguments = ("denoise", song, "--weights", mini_weights, "--strength", 0, "--force", "--log-level")
    told = {level: invoke(*arguments, level).stderr for level in ("error", "warning", "info", "debug")}
    assert told["error"] == ""
    assert "warning: library: escape \\x1b[2J\n" in told["warning"]
    assert "left as it came" not in told["warning"]
    assert "left as it came" in told["info"]
    assert "info: library: three lines of it\n" in told["info"]
    assert "left as it came" in told["debug"]


def test_warnings_of_libraries_go_to_the_log(song: Path) -> None:
    code = (
        "import sys, warnings\n"
        "from musicdenoise.cli import denoise\n"
        "from musicdenoise.cli.app import app\n"
        "from musicdenoise.errors import UsageError\n"
        "def check(request):\n"
        "    warnings.warn('odd\\nnumbers')\n"
        "    raise UsageError('enough')\n"
        "denoise._check_usage = check\n"
        "app(sys.argv[1:])\n"
    )
    run = [sys.executable, "-c", code, "denoise", str(song)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    first, last = done.stderr.splitlines()
    assert first.startswith("warning: py.warnings: ")
    assert "UserWarning: odd numbers" in first
    assert last == "error: enough"
    quiet = subprocess.run([*run, "--log-level", "error"], capture_output=True, text=True, check=False)
    assert quiet.stderr == "error: enough\n"


def test_every_variable_is_in_the_guide() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    from musicdenoise.cli.config_file import CONFIG_VARIABLE
    from musicdenoise.cli.log import LEVEL_VARIABLE
    from musicdenoise.weights.store import CACHE_VARIABLE, MIRROR_VARIABLE

    for variable in (CONFIG_VARIABLE, LEVEL_VARIABLE, CACHE_VARIABLE, MIRROR_VARIABLE, "OMP_WAIT_POLICY"):
        assert f"`{variable}`" in guide


def test_the_example_of_the_guide_is_a_settings_file(tmp_path: Path, song: Path) -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    example = guide.split("```toml\n")[1].split("```")[0]
    config = write(tmp_path, example)
    result = invoke("denoise", song, "--config", config, "--dry-run")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{song}\t{tmp_path / 'song_denoised.flac'}\n"
