"""Errors speak of fields; the command line shows options, and every field has one."""

import ast
import pickle
import re
from pathlib import Path

import pytest
import typer

import musicdenoise
from musicdenoise.cli.app import app
from musicdenoise.cli.fields import describe, option_of
from musicdenoise.core.architecture import DCUNetConfig
from musicdenoise.core.stft import StftConfig
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.errors import ConfigurationError, DataError, UsageError

SOURCE = Path(musicdenoise.__file__).parent
BELOW = sorted(path for path in SOURCE.rglob("*.py") if "cli" not in path.relative_to(SOURCE).parts)


def test_the_same_error_for_both_readers() -> None:
    error = UsageError.wrong("num_samples", 7, "at least 2048", "7 samples")
    assert str(error) == "num_samples is 7 samples; it must be at least 2048"
    assert describe(error) == "--length is 7 samples; it must be at least 2048"
    assert error.fields == {"num_samples": 7}
    assert str(error) == str(pickle.loads(pickle.dumps(error)))
    assert describe(pickle.loads(pickle.dumps(error))) == describe(error)


def test_other_braces_stay() -> None:
    error = DataError("{a}.wav and {songs}: give {songs}", songs=None)
    assert describe(error) == "{a}.wav and --songs: give --songs"
    assert str(ConfigurationError("{a}.wav")) == "{a}.wav"
    assert describe("as it is") == "as it is"


@pytest.mark.parametrize("path", BELOW, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_string_below_the_command_line_names_an_option(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = [word.lstrip("('\"`[") for word in node.value.split()]
            found = [word for word in words if word.startswith("--") and word[2:3].isalpha()]
            # Words of other programs' command lines stand alone; Python's own -m may be named.
            found += [word for word in words[1:] if re.fullmatch(r"-[a-ln-z][,;.]?", word)]
            assert not found, f"{path}:{node.lineno}: {found}"


@pytest.mark.parametrize(
    ("make", "field", "value", "begin"),
    [
        (FileOptions, "start_seconds", -1.0, "--start is -1.0"),
        (FileOptions, "duration_seconds", float("inf"), "--duration is inf"),
        (FileOptions, "bit_depth", "17", "--bit-depth is '17'"),
        (FileOptions, "bitrate", 0, "--bitrate is 0"),
        (StftConfig, "n_fft", 3, "--n-fft is 3"),
        (StftConfig, "hop_length", 700, "--hop-length is 700; it must divide --n-fft (2048)"),
        (StftConfig, "sample_rate", 0, "--sample-rate is 0 Hz"),
        (DCUNetConfig.mini, "mask", "square", "--mask is 'square'"),
        (DCUNetConfig.mini, "encoder_channels", (1,), "encoder_channels is (1,)"),
        (
            DCUNetConfig.mini,
            "decoder_channels",
            (2,) * 10,
            "the last decoder has 2 channels; decoder_channels",
        ),
        (DCUNetConfig.mini, "level_reach", -1, "level_reach is -1"),
        (DCUNetConfig.mini, "profile_width", 257, "profile_width is 257"),
        (DCUNetConfig.mini, "compressions", (0.3,) * 9, "there are 9 compressions"),
        (DCUNetConfig.mini, "compressions", (1.5,), "compressions is (1.5,)"),
    ],
)
def test_configurations_say_which_field_is_wrong(make, field: str, value: object, begin: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make(**{field: value})
    assert caught.value.fields[field] == value
    assert describe(caught.value).startswith(begin)


def fields_of_errors() -> set[str]:
    """Fields that are given to errors below the command line, as far as they stand there by name."""
    found = set()
    for path in BELOW:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error"):
                found |= {keyword.arg for keyword in node.keywords if keyword.arg}
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error.wrong"):
                field = node.args[0]
                found |= {field.value} if isinstance(field, ast.Constant) else set()
    return found


def options_of_app() -> set[str]:
    def walk(command: object) -> set[str]:
        names = {
            name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)
        }
        return names.union(*map(walk, getattr(command, "commands", {}).values()))

    return walk(typer.main.get_command(app))


def test_every_field_has_an_option() -> None:
    fields = fields_of_errors()
    assert {"resume", "force", "jobs", "batch_size", "overwrite", "overlap"} <= fields
    lost = {field for field in fields if option_of(field) not in {*options_of_app(), field}}
    assert not lost
