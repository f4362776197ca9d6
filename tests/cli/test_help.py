"""Help texts: groups, words, examples; nothing is cut at 80 columns."""

import re

import pytest
import typer
from typer.testing import CliRunner

from musicdenoise.cli import (
    build_options,
    eval_options,
    fleet,
    options,
    segment_options,
    serve,
    train_options,
)
from musicdenoise.cli.app import app

COMMANDS = [
    *(
        ["denoise"],
        ["serve"],
        ["train"],
        ["eval"],
        ["correlate"],
        ["info"],
        ["dataset", "build"],
        ["dataset", "segment"],
        ["fleet", "denoise"],
    ),
    *(["weights", name] for name in ("list", "fetch", "verify", "path", "remove", "export")),
]
GROUPS = [[], ["weights"], ["dataset"], ["fleet"]]


def help_of(command: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("command", COMMANDS + GROUPS, ids=" ".join)
def test_nothing_is_cut_and_no_type_of_python_is_shown(command: list[str], monkeypatch) -> None:
    text = help_of(command, monkeypatch)
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    assert not re.search(r"<(bool|str|int|float|path|list)", text, re.IGNORECASE)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_two_examples(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = help_of(command, monkeypatch)
    examples = text[text.index("Examples:") :].splitlines()[1:]
    shown = [line.strip() for line in examples if line.strip()]
    assert len(shown) == 2
    for line in shown:
        assert line.startswith(" ".join(["musicdenoise", *command]))


@pytest.mark.parametrize(
    ("command", "module"),
    [
        (["denoise"], options),
        (["serve"], serve),
        (["train"], train_options),
        (["eval"], eval_options),
        (["dataset", "build"], build_options),
        (["fleet", "denoise"], fleet),
        (["dataset", "segment"], segment_options),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_option_is_in_one_group(command: list[str], module, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = [name for names in module.PANELS.values() for name in names]
    assert len(fields) == len(set(fields))
    text = help_of(command, monkeypatch)
    titles = re.findall(r"^\W\W (\w[^\u2500]*) \u2500", text, re.MULTILINE)
    assert titles == ["Arguments"] * ("Arguments" in text) + ["Options", *module.PANELS]
    own = text[text.index("Options \u2500") :].split("\u2570")[0]
    assert re.findall(r"--[a-z-]+", own) == ["--help"]


def test_examples_are_commands_that_there_are() -> None:
    group = typer.main.get_command(app)
    assert {command[0] for command in COMMANDS} == set(group.commands)  # type: ignore[attr-defined]
