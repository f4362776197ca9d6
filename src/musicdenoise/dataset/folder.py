"""The folder of a build: whose it is, whether it can go on, and what is removed from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from musicdenoise.data.manifest import MANIFEST_NAME, SPLITS
from musicdenoise.dataset.config import BuildLayout
from musicdenoise.dataset.pack import find_shards
from musicdenoise.dataset.summary import SUMMARY_NAME
from musicdenoise.errors import DataError, UsageError
from musicdenoise.runtime.atomic import remove_abandoned

STATE_NAME = "state.json"
"""What a build in progress was asked for, in its hidden folder."""

_OWN_FILES = ("INPUT-S*N*-(*)-(*).*", "TARGET-S*N*-(*)-(*).*", "CLEAN-S*-(*).*")


def occupied_places(layout: BuildLayout) -> list[Path]:
    """Folders and files that prevent a new dataset."""
    if layout.input_dir is None:
        return [layout.root] if layout.root.is_dir() and any(layout.root.iterdir()) else []
    found = [folder for folder in layout.folders() if folder.is_dir() and any(folder.iterdir())]
    own = (layout.root / MANIFEST_NAME, layout.root / SUMMARY_NAME, layout.work)
    return found + [path for path in own if path.exists()]


def check_same(layout: BuildLayout, state: dict[str, object]) -> None:
    """Check that a dataset in the folder was begun with the same options, songs and noises."""
    for path in (layout.work / STATE_NAME, layout.root / SUMMARY_NAME):
        if not path.is_file():
            continue
        try:
            former = json.loads(path.read_text(encoding="utf-8"))
            options, plan = former["options"], former["plan_sha256"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: cannot be understood ({error}); give {{force}} to build it again", force=False
            ) from error
        wanted = state["options"]
        if options != wanted and isinstance(wanted, dict):
            different = ", ".join(
                f"{name} was {options.get(name)!r} and is {value!r}"
                for name, value in wanted.items()
                if options.get(name) != value
            )
            raise DataError(
                f"{layout.root}: was begun with other options ({different}); repeat those, or give {{force}}",
                force=False,
            )
        if plan != state["plan_sha256"]:
            raise DataError(
                f"{layout.root}: was begun when the folders held other songs or noises; "
                "restore them, or give {force} to build it again",
                force=False,
            )
        return
    occupied = occupied_places(layout)
    if occupied:
        raise DataError(
            f"{occupied[0]}: is not empty and holds no dataset that was begun; choose another folder, "
            "or give {force} to build into it",
            force=False,
        )


def check_own(layout: BuildLayout) -> None:
    """Check that a manifest in the folder comes from a build."""
    root = layout.root
    if (root / MANIFEST_NAME).exists() and not (root / SUMMARY_NAME).exists() and not layout.work.exists():
        raise UsageError(
            f"{root}: holds pairs that no build made, such as segments; choose another {{out}}", out=root
        )


def remove_own(layout: BuildLayout) -> None:
    """Remove what builds write, and folders that are empty then. Leave everything else."""
    for path in (layout.root / MANIFEST_NAME, layout.root / SUMMARY_NAME, *find_shards(layout.root)):
        path.unlink(missing_ok=True)
    shutil.rmtree(layout.work, ignore_errors=True)
    remove_files(layout)


def remove_files(layout: BuildLayout) -> None:
    """Remove the audio files that builds write, and folders that are empty then."""
    folders = layout.cleared()
    for folder in folders:
        for pattern in _OWN_FILES:
            for path in folder.glob(pattern):
                path.unlink()
        remove_abandoned(folder)
    for folder in [*folders, *(layout.root / split for split in SPLITS)]:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
