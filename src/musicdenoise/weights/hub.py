"""Networks in repositories of the Hugging Face Hub: one network each, with its model card as the README.

The library ``huggingface_hub`` does the work; it is the extra ``hub``. The address of the Hub comes from
``HF_ENDPOINT``, and credentials come from ``HF_TOKEN`` or from ``hf auth login``. What is pulled is not
trusted: its size and digest must be those that the Hub states, and it must be a network.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicdenoise.errors import UsageError, WeightsError
from musicdenoise.runtime.atomic import make_folder, write_bytes
from musicdenoise.runtime.credentials import without_credentials
from musicdenoise.runtime.digest import file_sha256
from musicdenoise.weights.card import model_card
from musicdenoise.weights.checkpoint import load_weights
from musicdenoise.weights.connections import without_secrets
from musicdenoise.weights.conversion import git_blob_id
from musicdenoise.weights.download import MOST_BYTES
from musicdenoise.weights.index import IndexEntry
from musicdenoise.weights.pulled import check_name, enter, file_of, read_pulled
from musicdenoise.weights.store import WeightsStore, resolve_weights

if TYPE_CHECKING:
    from huggingface_hub import HfApi

WEIGHTS_FILE = "model.safetensors"
"""The name of a network in its repository, which is the Hub's usual one."""

_CARD_FILE = "README.md"
_PUBLIC = "https://huggingface.co"
_ANSWER_SECONDS = 30.0  # chosen; without it, a server that is silent holds the program for ever


def push_weights(
    name_or_path: str | Path,
    repo: str,
    *,
    store: WeightsStore | None = None,
    private: bool = False,
    overwrite: bool = False,
) -> str:
    """Put a network and its model card into a repository; a missing repository is made.

    Parameters
    ----------
    name_or_path
        The network, as for `load_weights`; a safetensors file.
    repo
        The repository, ``OWNER/NAME``.
    store
        Where networks are kept; the user's cache folder by default.
    private
        Whether a new repository is private.
    overwrite
        Whether another network in the repository is replaced; its history keeps the old one.

    Returns
    -------
    str
        Address of the commit.

    Raises
    ------
    UsageError
        If huggingface_hub is not installed, or the repository has no valid name.
    WeightsError
        If there is no such network, the credentials are missing or may not write, the repository holds
        another network, or the Hub cannot be reached.
    """
    api = _api()
    path = resolve_weights(name_or_path, store).path
    metadata = load_weights(path)[1]
    card = model_card(repo, metadata).encode()
    with _asking(repo, api):
        from huggingface_hub import CommitOperationAdd, get_token

        if get_token() is None:
            raise WeightsError(f"{repo}: cannot be written without credentials; set HF_TOKEN to a token")
        api.create_repo(repo, private=private, exist_ok=True)
        held = _weights_file(api.model_info(repo, files_metadata=True, timeout=_ANSWER_SECONDS))
        if held is not None and not _is_same(path, held) and not overwrite:
            raise WeightsError(
                f"{repo}: holds another network already; {{overwrite}} replaces it", overwrite=False
            )
        commit = api.create_commit(
            repo,
            [
                CommitOperationAdd(WEIGHTS_FILE, path),
                CommitOperationAdd(_CARD_FILE, card),
            ],
            commit_message=f"Network for noise of the kind {metadata.noise_kind}",
        )
    return str(commit.commit_url)


def pull_weights(
    repo: str,
    name: str | None = None,
    *,
    store: WeightsStore | None = None,
    revision: str | None = None,
    overwrite: bool = False,
) -> IndexEntry:
    """Get a network from a repository, check it, and keep it under a name.

    Parameters
    ----------
    repo
        The repository, ``OWNER/NAME``.
    name
        Name to keep it under; by default that of the repository.
    store
        Where networks are kept; the user's cache folder by default.
    revision
        Branch, tag or commit; the newest commit of the main branch by default.
    overwrite
        Whether a network of this name from another repository is replaced.

    Returns
    -------
    IndexEntry
        What is known of the network; ``store.path(entry)`` is its file.

    Raises
    ------
    UsageError
        If huggingface_hub is not installed, or one of the names is not valid.
    WeightsError
        If there is no such repository or revision, it holds no network, the file is not the one that the Hub
        states, the Hub cannot be reached, or the file cannot be written.
    """
    api = _api()
    store = store or WeightsStore.of_user()
    name = check_name(repo.rpartition("/")[2] if name is None else name)
    home = f"{str(api.endpoint).rstrip('/')}/{repo}/resolve/"
    for held in read_pulled(store.folder):
        if held.name == name and not held.sources[0].startswith(home) and not overwrite:
            raise WeightsError(
                f"the network {name} was pulled from {without_secrets(held.sources[0])}: give another name, "
                "or {overwrite} to replace it",
                overwrite=False,
            )
    with tempfile.TemporaryDirectory() as folder:
        with _asking(repo, api):
            info = api.model_info(repo, revision=revision, files_metadata=True, timeout=_ANSWER_SECONDS)
            stated = _weights_file(info)
            if stated is None:
                raise WeightsError(f"{repo}: holds no {WEIGHTS_FILE}; `weights push` makes such repositories")
            if not stated.size or stated.size > MOST_BYTES:
                raise WeightsError(
                    f"{repo}: its {WEIGHTS_FILE} has {stated.size} bytes; networks have up to {MOST_BYTES}"
                )
            got = Path(api.hf_hub_download(repo, WEIGHTS_FILE, revision=info.sha, local_dir=folder))
        if not _is_same(got, stated):
            raise WeightsError(
                f"{repo}: its {WEIGHTS_FILE} arrived damaged: {got.stat().st_size} bytes that differ from "
                f"the {stated.size} bytes that the Hub states; try again"
            )
        metadata = load_weights(got)[1]
        entry = IndexEntry(
            name=name,
            noise_kind=metadata.noise_kind,
            file=file_of(name),
            licence=metadata.licence,
            size_bytes=got.stat().st_size,
            sha256=file_sha256(got),
            sources=(f"{home}{info.sha}/{WEIGHTS_FILE}",),
            metrics=dict(metadata.metrics),
        )
        make_folder(store.path(entry).parent, WeightsError)
        write_bytes(store.path(entry), got.read_bytes(), WeightsError)
    enter(store.folder, entry)
    return entry


def _api() -> HfApi:
    """The Hub's interface, at the address that ``HF_ENDPOINT`` names now."""
    if find_spec("huggingface_hub") is None:
        raise UsageError("huggingface_hub must be installed for the Hub: pip install 'musicdenoise[hub]'")
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or _PUBLIC, library_name="musicdenoise")


@contextlib.contextmanager
def _asking(repo: str, api: HfApi) -> Iterator[None]:
    """Turn errors of the library and of the connection into one line each."""
    from huggingface_hub import errors

    place = without_secrets(str(api.endpoint))
    try:
        yield
    except errors.HFValidationError as error:
        raise UsageError(f"{repo!r} is no name of a repository: give OWNER/NAME") from error
    except errors.GatedRepoError as error:
        raise WeightsError(f"{repo}: {place} gives it to people who asked for access: ask there") from error
    except errors.RevisionNotFoundError as error:
        raise WeightsError(f"{repo}: has no such revision: give a branch, a tag or a commit") from error
    except errors.RepositoryNotFoundError as error:
        raise WeightsError(
            f"{repo}: there is no such repository at {place}, or it is private: check the name, and set "
            "HF_TOKEN to a token that may read it"
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise WeightsError(
                f"{repo}: {place} refuses the credentials ({status}): set HF_TOKEN to a token that may write "
                "there"
            ) from error
        raise WeightsError(f"{repo}: {place} answered {status}; try again later") from error
    # The base is that of all errors of the client; versions of the library use different clients.
    except (OSError, LookupError, ValueError, *errors.HfHubHTTPError.__bases__) as error:
        reason = without_credentials((str(error).splitlines() or [type(error).__name__])[0])
        raise WeightsError(
            f"{repo}: {place} cannot be reached, or is no Hub: {reason}; check the connection and HF_ENDPOINT"
        ) from error


def _weights_file(info: Any) -> Any:
    """What the Hub states about the network's file; None if there is none."""
    return next((file for file in info.siblings or () if file.rfilename == WEIGHTS_FILE), None)


def _is_same(path: Path, stated: Any) -> bool:
    """Whether a file is the one that the Hub states: by SHA-256, or by git's id if git itself keeps it."""
    if path.stat().st_size != stated.size:
        return False
    if stated.lfs is not None:
        return bool(file_sha256(path) == stated.lfs["sha256"])
    return bool(git_blob_id(path) == stated.blob_id)
