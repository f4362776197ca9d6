"""The words for noise: on the command line, in the list, in the guide, and as the shell proposes them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from musicdenoise.cli.app import app
from musicdenoise.errors import UsageError
from musicdenoise.kinds import (
    ANY_NOISE,
    NOISE_EXAMPLES,
    NOISE_KINDS,
    NOISE_WORDS,
    WHITE_NOISE,
    parse_noise_word,
    words_for,
)
from musicdenoise.weights.index import find_entry

GUIDE = Path(__file__).parents[2] / "docs" / "denoise.md"


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def complete(shell: str, words: list[str], incomplete: str) -> str:
    environment = {
        "_MUSICDENOISE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": " ".join(["musicdenoise", *words, incomplete]),
        "COMP_CWORD": str(1 + len(words)),
        "_TYPER_COMPLETE_ARGS": " ".join(["musicdenoise", *words, incomplete]),
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    return CliRunner().invoke(app, [], prog_name="musicdenoise", env=environment).stdout


def test_words_lead_to_kinds() -> None:
    assert parse_noise_word(" Hiss ") == WHITE_NOISE
    assert parse_noise_word("vinyl") == parse_noise_word("crowd") == ANY_NOISE
    assert parse_noise_word("air conditioner") == parse_noise_word("fan") == "air_conditioner"
    assert parse_noise_word("traffic") == parse_noise_word("hum") == "engine_idling"
    assert parse_noise_word("3") == "dog_bark"
    assert set(NOISE_WORDS.values()) <= set(NOISE_KINDS) == set(NOISE_EXAMPLES)
    assert not set(NOISE_WORDS) & set(NOISE_KINDS)


def test_an_unknown_word_lists_what_there_is() -> None:
    with pytest.raises(UsageError, match="no noise kind 'trafic'") as caught:
        parse_noise_word("trafic")
    message = str(caught.value)
    assert message.endswith("or auto; did you mean traffic?")
    for word in (*NOISE_KINDS, *NOISE_WORDS):
        assert word in message


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--noise", "hiss"), "hiss: the network 'white'"),
        (("--noise", "traffic"), "traffic: the kind 'engine_idling', with the network 'mixed'"),
        (("--noise", "Air Conditioner"), "Air Conditioner: the network 'mixed'"),
        (("--weights", "jackhammer"), "jackhammer: the network 'mixed'"),
        (("--noise", "white"), None),
        (("--noise", "Car-Horn"), None),
        (("--noise", "AUTO"), None),
        (("--weights", "Some.safetensors"), None),
        ((), None),
    ],
)
def test_another_network_is_told(write_wav, noisy_tune, arguments: tuple[str, ...], line: str | None) -> None:
    song = write_wav("song.wav", noisy_tune[:, :30_000])
    result = invoke("denoise", song, "--device", "cpu", "--verbose", "--dry-run", *arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == ([] if line is None else [line])
    assert invoke("denoise", song, "--device", "cpu", "-q", "--dry-run", *arguments).stderr == ""


def test_the_list_and_the_guide_say_which_noise_is_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    lines = invoke("weights", "list").stdout.splitlines()
    guide = GUIDE.read_text(encoding="utf-8")
    for kind, example in NOISE_EXAMPLES.items():
        network, words = find_entry(kind).name, ", ".join(words_for(kind))
        assert any(all(part in line for part in (kind, network, words, example)) for line in lines)
        assert f"| `{kind}` | `{network}` | {words} | {example} |" in guide


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_proposes_recipes_and_formats(shell: str) -> None:
    recipes = complete(shell, ["train", "--recipe"], "")
    assert all(name in recipes for name in ("white", "mixed", "recorded", "reference"))
    assert "__" not in recipes
    formats = complete(shell, ["denoise", "--format"], "o")
    assert "ogg" in formats
    assert "opus" in formats
    assert "flac" not in formats


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_proposes_kinds_and_networks(shell: str) -> None:
    noises = complete(shell, ["denoise", "--noise"], "h")
    assert all(word in noises for word in ("hiss", "horn", "hum"))
    assert "siren" not in noises
    kinds = complete(shell, ["train", "--noise"], "w")
    assert "white" in kinds
    assert "wind" not in kinds
    for command in (["denoise", "--weights"], ["weights", "fetch"], ["eval", "--weights"]):
        networks = complete(shell, command, "s")
        assert "siren" in networks
        assert "street_music" in networks
        assert "mixed" not in networks
