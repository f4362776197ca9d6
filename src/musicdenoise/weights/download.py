"""Download a file over HTTP, with retries, resumption, limits and proxies.

Proxies come from the environment (``https_proxy``, ``no_proxy``), as in the standard library. Bytes go into
a ``.part`` file beside the target, which a later call resumes (RFC 9110, section 14: range requests); the
caller checks the content before it becomes the target.

A server is not trusted. A download ends at the expected size and at a deadline. Redirects lead to HTTP and
HTTPS only. Messages repeat neither the server's words nor the name and password in an address.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from musicdenoise.errors import WeightsError
from musicdenoise.runtime.atomic import open_resumable
from musicdenoise.weights.connections import Watch, build_request, watching, without_secrets

_CHUNK_BYTES = 1 << 16
# Answers after which trying again makes sense: time-outs, too many requests, trouble at the server.
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
MOST_BYTES = 512_000_000
"""Largest file if the size is not known: four times the largest network."""

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """Limits of a download.

    Parameters
    ----------
    attempts
        Tries in all.
    timeout_seconds
        Longest wait for the connection, and for each piece of data.
    pause_seconds
        Wait before the second try; doubled for every further one.
    deadline_seconds
        Longest time for everything. The largest network takes half an hour at 0.5 Mbit/s.
    """

    attempts: int = 4
    timeout_seconds: float = 20.0
    pause_seconds: float = 1.0
    deadline_seconds: float = 1800.0


class _TemporaryError(Exception):
    """Something that may pass: the next try may succeed."""


class _TooLongError(Exception):
    """A server that sends more than there should be."""


def download(
    url: str,
    part: Path,
    *,
    size_bytes: int | None,
    options: DownloadOptions,
    on_progress: Progress | None = None,
) -> None:
    """Download ``url`` into the file ``part``, going on where an earlier try ended.

    Parameters
    ----------
    url
        HTTP or HTTPS address.
    part
        File for the bytes. What it holds already counts as the beginning.
    size_bytes
        Expected size in bytes, or None.
    options
        How patient to be.
    on_progress
        Called with the bytes so far and all bytes (None if that is not known).

    Raises
    ------
    WeightsError
        If the address is wrong, the server refuses, or every try fails. The file keeps what arrived.
    OSError
        If the file cannot be written.
    """
    shown = without_secrets(url)
    if not url.lower().startswith(("http://", "https://")):
        raise WeightsError(f"{shown} is not an HTTP address: mirrors begin with http:// or https://")
    reason = ""
    with watching(options.deadline_seconds) as watch:
        for attempt in range(options.attempts):
            if attempt:
                time.sleep(min(options.pause_seconds * 2.0 ** (attempt - 1), watch.seconds_left))
            try:
                _try_once(url, part, size_bytes, options.timeout_seconds, watch, on_progress)
            except _TemporaryError as error:
                reason = str(error)
            else:
                return
            if watch.is_over:
                raise WeightsError(
                    f"{shown} could not be fetched within {options.deadline_seconds / 60:.0f} minutes; try "
                    "again, which goes on where this ended"
                )
    raise WeightsError(f"{shown} could not be fetched in {options.attempts} tries: {reason}")


def _try_once(
    url: str,
    part: Path,
    size_bytes: int | None,
    timeout: float,
    watch: Watch,
    on_progress: Progress | None,
) -> None:
    have = part.stat().st_size if part.is_file() else 0
    if size_bytes is not None and have >= size_bytes:
        if have == size_bytes:
            return
        part.unlink()
        have = 0
    try:
        with watch.opener().open(build_request(url, have), timeout=timeout) as response:
            resumed = response.status == http.client.PARTIAL_CONTENT
            length = response.headers.get("Content-Length")
            start = have if resumed else 0
            is_stated = bool(length and length.isdecimal() and len(length) < 20)
            total = start + int(length) if is_stated else size_bytes
            limit = MOST_BYTES if size_bytes is None else size_bytes
            with open_resumable(part, append=resumed) as file:
                _receive(response, file, start, total, limit, watch, on_progress)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            raise _TemporaryError("the server does not have the rest of the file") from error
        message = f"the server answered {error.code} {http.client.responses.get(error.code, '')}".rstrip()
        if error.code in _TEMPORARY:
            raise _TemporaryError(message) from error
        raise WeightsError(f"{without_secrets(url)} could not be fetched: {message}") from error
    except _TooLongError as error:
        part.unlink(missing_ok=True)
        raise WeightsError(f"{without_secrets(url)} could not be fetched: {error}") from error
    except (http.client.InvalidURL, ValueError) as error:
        raise WeightsError(
            f"{without_secrets(url)} could not be fetched: this is not valid; check the address"
        ) from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _TemporaryError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """What went wrong with a connection, in the system's words, not the server's."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, OSError):
        return str(cause) or type(cause).__name__
    if isinstance(error, urllib.error.URLError):
        return "the address, or one that the server sent us to, is none of HTTP or HTTPS"
    return "the server's answer is not HTTP, or ended too early"


def _receive(
    response: http.client.HTTPResponse,
    file: BinaryIO,
    start: int,
    total: int | None,
    limit: int,
    watch: Watch,
    on_progress: Progress | None,
) -> None:
    done = start
    if total is not None and total > limit:
        raise _TooLongError(f"the server wants to send {total} bytes, expected {limit} bytes at most")
    while chunk := response.read1(_CHUNK_BYTES):
        done += len(chunk)
        if done > limit:
            raise _TooLongError(f"the server sends more than the expected {limit} bytes")
        file.write(chunk)
        if on_progress:
            on_progress(done, total)
    if watch.is_over or (total is not None and done < total):
        raise _TemporaryError(f"the connection ended after {done} of {total or 'unknown'} bytes")
