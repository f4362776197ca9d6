"""The examples in the docstrings of the public names run, and show what they say."""

import doctest
import importlib
import tempfile
from pathlib import Path

import pytest

import musicdenoise

NAMES = [name for name in musicdenoise.__all__ if name != "__version__"]


@pytest.fixture(autouse=True)
def files_of_examples_go_into_the_test_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def run(target: object, name: str, module: object) -> doctest.TestResults:
    """Run the examples of one docstring, with what its module knows."""
    (found,) = doctest.DocTestFinder(recurse=False).find(target, name, module=module, globs={})
    return doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(found)


@pytest.mark.parametrize("name", NAMES)
def test_example_of_a_public_name(name: str) -> None:
    target = getattr(musicdenoise, name)
    result = run(target, name, importlib.import_module(target.__module__))
    assert result.attempted >= 2, f"{name} has no example"
    assert result.failed == 0


def test_example_of_the_package() -> None:
    result = run(musicdenoise, "musicdenoise", musicdenoise)
    assert result.attempted >= 2
    assert result.failed == 0
