"""Hooks of the documentation site: the command-line reference is generated from the program itself."""

import subprocess
import sys
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the page of all commands and options."""
    generator = ["typer", "musicdenoise.cli.app", "utils", "docs", "--name", "musicdenoise"]
    done = subprocess.run([sys.executable, "-m", *generator], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PluginError(f"the command-line reference could not be generated: {done.stderr.strip()}")
    page = "reference/command-line.md"
    files.append(File.generated(config, page, content=done.stdout))
    return files
