"""``musicdenoise weights push`` and ``pull``: networks in repositories of the Hugging Face Hub."""

from __future__ import annotations

from typing import Annotated

import typer

from musicdenoise.cli.common import note
from musicdenoise.cli.completion import propose_networks
from musicdenoise.cli.log import Quiet

Repo = Annotated[
    str, typer.Argument(metavar="OWNER/NAME", help="The repository on the Hub.", show_default=False)
]


def push(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|PATH",
            help="A network by name, or a weights file.",
            show_default=False,
            autocompletion=propose_networks,
        ),
    ],
    repo: Repo,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Replace another network in the repository.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Put a network into a repository of the Hugging Face Hub, with its model card as the README.

    The card is made from what the weights say about themselves. HF_TOKEN holds your token, and HF_ENDPOINT
    the address of another Hub.
    """
    from musicdenoise.weights.hub import push_weights

    address = push_weights(name, repo, private=private, overwrite=force)
    note(f"{name}: {address}")


def pull(
    repo: Repo,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Its name from now on. Default: that of the repository."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(metavar="NAME", help="Branch, tag or commit. Default: the newest.")
    ] = None,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Replace a network of this name from elsewhere.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Get a network from a repository of the Hugging Face Hub, check it, and keep it under a name.

    Then --weights NAME finds it, and it is in 'weights list'.
    """
    from musicdenoise.weights.hub import pull_weights
    from musicdenoise.weights.store import WeightsStore

    store = WeightsStore.of_user()
    entry = pull_weights(repo, name, store=store, revision=revision, overwrite=force)
    note(f"{entry.name}: {store.path(entry)}")
