"""``musicdenoise weights``: list, fetch, verify, path, remove, export; ``weights_hub`` has push and pull."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicdenoise.cli import options
from musicdenoise.cli.common import FAILED, note, print_error, print_json
from musicdenoise.cli.completion import propose_networks
from musicdenoise.cli.help import command
from musicdenoise.cli.log import Quiet
from musicdenoise.cli.weights_hub import pull, push
from musicdenoise.errors import UsageError, WeightsError
from musicdenoise.runtime.credentials import without_credentials

if TYPE_CHECKING:
    from rich.table import Table

    from musicdenoise.weights.index import IndexEntry
    from musicdenoise.weights.store import WeightsStore

app = typer.Typer(no_args_is_help=True, help="List, fetch, verify and share networks.")


class ExportFormat(str, Enum):
    """Formats of files for other programs."""

    ONNX = "onnx"


ListJson = Annotated[
    bool, typer.Option("--json", help="Print everything about each network, one JSON object a line.")
]
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="Names as in the list.",
        show_default=False,
        autocompletion=propose_networks,
    ),
]
All = Annotated[bool, typer.Option("--all", help="All networks.")]
AllOwn = Annotated[
    bool, typer.Option("--all", help="All networks except NoiseRemover's: fetch these by name.")
]


@command(app, "list", "musicdenoise weights list", "musicdenoise weights list --json")
def list_weights(as_json: ListJson = False) -> None:
    """List the networks, and which one to take for which noise.

    The first table shows kind, size, figures, licence, and whether a network is in the cache. The second one
    shows the words that 'denoise --noise' takes.
    """
    from musicdenoise.weights.index import load_aliases
    from musicdenoise.weights.store import WeightsStore

    store = WeightsStore.of_user()
    if as_json:
        for entry in store.entries():
            fields = {**asdict(entry), "class": _class_of(entry), "cached": store.is_cached(entry)}
            fields["sources"] = [without_credentials(source) for source in entry.sources]
            fields["aliases"] = [alias for alias, name in load_aliases().items() if name == entry.name]
            print_json(fields)
        return
    from rich.console import Console

    console = Console()
    console.print(_network_table(store))
    console.print("\nWhich noise is which, for 'musicdenoise denoise --noise WORD':\n")
    console.print(_noise_table())


@command(app, "fetch", "musicdenoise weights fetch white siren", "musicdenoise weights fetch --all")
def fetch(
    names: Names = None,
    every: AllOwn = False,
    url: options.WeightsUrl = None,
    offline: options.Offline = False,
    quiet: Quiet = False,
) -> None:
    """Fetch networks into the cache folder, so that they can be used without a connection."""
    from musicdenoise.cli.progress import byte_progress
    from musicdenoise.weights.store import WeightsStore

    store = WeightsStore.of_user(mirror=url, offline=offline)
    failed = 0
    for entry in _chosen(names, store, every=every):
        if every and entry.git_blob is not None:
            continue
        try:
            with byte_progress(entry.name) as on_progress:
                path = store.store(entry, on_progress)
        except WeightsError as error:
            failed += 1
            print_error(error)
        else:
            note(f"{entry.name}: {path}")
    if failed:
        raise typer.Exit(FAILED)


@command(app, "verify", "musicdenoise weights verify", "musicdenoise weights verify --quiet")
def verify(quiet: Quiet = False) -> None:
    """Compare the networks in the cache folder with their digests; exit code 1 if one is damaged."""
    from musicdenoise.weights.store import WeightsStore

    store = WeightsStore.of_user()
    failed = 0
    for entry in store.entries():
        path = store.path(entry)
        if not path.exists():
            note(f"{entry.name}: not in the cache")
        elif store.is_cached(entry):
            note(f"{entry.name}: good")
        else:
            failed += 1
            print_error(
                f"{path}: is damaged; it will be replaced when you use it next, or by "
                f"'musicdenoise weights fetch {entry.name}'"
            )
    if failed:
        raise typer.Exit(FAILED)


@command(app, "path", "musicdenoise weights path", "musicdenoise weights path white")
def path(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="A network; without it, the folder.", autocompletion=propose_networks
        ),
    ] = None,
) -> None:
    """Print the cache folder, or where a network's file lies in it."""
    from musicdenoise.weights.store import WeightsStore

    store = WeightsStore.of_user()
    typer.echo(store.folder if name is None else store.path(store.find(name)))


@command(app, "remove", "musicdenoise weights remove siren", "musicdenoise weights remove --all")
def remove(names: Names = None, every: All = False, quiet: Quiet = False) -> None:
    """Delete networks from the cache folder."""
    from musicdenoise.weights.store import WeightsStore

    store = WeightsStore.of_user()
    for entry in _chosen(names, store, every=every):
        removed = store.remove(entry)
        note(f"{entry.name}: {'removed' if removed else 'was not in the cache'}")


@command(
    app,
    "export",
    "musicdenoise weights export white",
    "musicdenoise weights export runs/mine/best.safetensors -o mine.onnx",
)
def export(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|PATH",
            help="A network by name, or a weights file.",
            show_default=False,
            autocompletion=propose_networks,
        ),
    ],
    file_format: Annotated[
        ExportFormat, typer.Option("--format", metavar="onnx", help="Format of the file.")
    ] = ExportFormat.ONNX,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The file. Default: NAME.onnx in this folder."),
    ] = None,
    force: Annotated[bool, typer.Option("-f", "--force", help="Replace an existing file.")] = False,
    url: options.WeightsUrl = None,
    offline: options.Offline = False,
    quiet: Quiet = False,
) -> None:
    """Write a network as a file for other programs: what stands between STFT and inverse STFT.

    The file is checked in ONNX Runtime before it is written.
    """
    from musicdenoise.weights.onnx_file import export_onnx
    from musicdenoise.weights.store import WeightsStore

    path = output or Path(f"{Path(name).name.removesuffix('.safetensors')}.{file_format.value}")
    difference = export_onnx(
        name, path, store=WeightsStore.of_user(mirror=url, offline=offline), overwrite=force
    )
    note(f"{path}: differs from the network by {difference:.0f} dB in ONNX Runtime")


command(app, "push", "musicdenoise weights push runs/siren/best.safetensors jane/siren-denoiser")(push)
command(
    app,
    "pull",
    "musicdenoise weights pull jane/siren-denoiser siren2",
    "musicdenoise denoise song.mp3 --weights siren2",
)(pull)


def _network_table(store: WeightsStore) -> Table:
    table = _table("name", "noise", "MB", "gain", "licence", "cached")
    for entry in store.entries():
        gain = entry.metrics.get("snr_improvement_db")
        table.add_row(
            entry.name,
            entry.noise_kind if _class_of(entry) is None else f"{_class_of(entry)} {entry.noise_kind}",
            "" if entry.size_bytes is None else f"{entry.size_bytes / 1e6:.1f}",
            "" if gain is None else f"{gain:+.2f} dB",
            entry.licence,
            "yes" if store.is_cached(entry) else "no",
        )
    return table


def _noise_table() -> Table:
    from musicdenoise.kinds import NOISE_EXAMPLES, words_for
    from musicdenoise.weights.index import find_entry

    table = _table("kind", "network", "words", "for example")
    for kind, example in NOISE_EXAMPLES.items():
        table.add_row(kind, find_entry(kind).name, ", ".join(words_for(kind)), example)
    return table


def _table(first: str, *others: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for header in others:
        table.add_column(header)
    return table


def _class_of(entry: IndexEntry) -> int | None:
    """Number of the UrbanSound8K class that a network is for, if it is for one."""
    from musicdenoise.kinds import NOISE_CLASSES

    return NOISE_CLASSES.index(entry.noise_kind) if entry.noise_kind in NOISE_CLASSES else None


def _chosen(names: list[str] | None, store: WeightsStore, *, every: bool) -> list[IndexEntry]:
    if every == bool(names):
        raise UsageError("give the names of networks, or --all (see 'musicdenoise weights list')")
    return list(store.entries()) if every else [store.find(name) for name in names or ()]
