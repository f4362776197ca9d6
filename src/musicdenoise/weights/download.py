"""Download a file over HTTP: retries, resumption of what is there already, time-outs, proxies.

Proxies are taken from the environment (``https_proxy``, ``no_proxy``) as all of the standard library
does. Bytes go into a ``.part`` file beside the target, which a later call resumes (RFC 9110, section 14:
range requests); the caller checks the content before it becomes the target.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from musicdenoise.errors import WeightsError

__all__ = ["DownloadOptions", "download"]

_CHUNK_BYTES = 1 << 16
_USER_AGENT = "musicdenoise"
# Answers after which trying again makes sense: time-outs, too many requests, trouble at the server.
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
# What may stand in a path or a query: reserved characters (RFC 3986, section 2.2) and quoted ones.
_UNQUOTED = "%:/?#[]@!$&'()*+,;="

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """How patient a download is.

    Parameters
    ----------
    attempts
        Tries in all.
    timeout_seconds
        Longest wait for the connection and for each piece of data.
    pause_seconds
        Wait before the second try; doubled for every further one.
    """

    attempts: int = 4
    timeout_seconds: float = 20.0
    pause_seconds: float = 1.0


class _TemporaryError(Exception):
    """Something that may pass: the next try may succeed."""


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
        File for the bytes; what it holds already is taken for the beginning.
    size_bytes
        Expected size in bytes, or None.
    options
        How patient to be.
    on_progress
        Called with the bytes there so far and of the whole (None where that is not known).

    Raises
    ------
    WeightsError
        If the address is wrong, the server refuses, or every try fails. The file keeps what has come.
    OSError
        If the file cannot be written.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise WeightsError(f"{url} is no HTTP address: mirrors begin with http:// or https://")
    reason = ""
    for attempt in range(options.attempts):
        if attempt:
            time.sleep(options.pause_seconds * 2.0 ** (attempt - 1))
        try:
            _try_once(url, part, size_bytes, options.timeout_seconds, on_progress)
        except _TemporaryError as error:
            reason = str(error)
        else:
            return
    raise WeightsError(f"{url} could not be fetched in {options.attempts} tries: {reason}")


def _try_once(
    url: str, part: Path, size_bytes: int | None, timeout: float, on_progress: Progress | None
) -> None:
    have = part.stat().st_size if part.exists() else 0
    if size_bytes is not None and have >= size_bytes:
        if have == size_bytes:
            return
        part.unlink()
        have = 0
    headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        request = urllib.request.Request(_quoted(url), headers=headers)
        with urllib.request.urlopen(request, timeout=timeout) as response:
            resumed = response.status == http.client.PARTIAL_CONTENT
            length = response.headers.get("Content-Length")
            start = have if resumed else 0
            total = start + int(length) if length and length.isdecimal() else size_bytes
            with part.open("ab" if resumed else "wb") as file:
                _receive(response, file, start, total, on_progress)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            raise _TemporaryError("the server does not have the rest of the file") from error
        message = f"the server answered {error.code} {error.reason}"
        if error.code in _TEMPORARY:
            raise _TemporaryError(message) from error
        raise WeightsError(f"{url} could not be fetched: {message}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _TemporaryError(str(getattr(error, "reason", error)) or type(error).__name__) from error
    except ValueError as error:
        raise WeightsError(f"{url} could not be fetched: {error}; check the address") from error


def _quoted(url: str) -> str:
    """The address in ASCII, as requests need it; what is quoted already stays as it is.

    Source: RFC 3987, section 3.1 (an IRI becomes a URI).
    """
    parts = urllib.parse.urlsplit(url)
    path, query = (
        urllib.parse.quote(part, safe=_UNQUOTED, errors="surrogateescape")
        for part in (parts.path, parts.query)
    )
    return parts._replace(path=path, query=query).geturl()


def _receive(
    response: http.client.HTTPResponse,
    file: BinaryIO,
    start: int,
    total: int | None,
    on_progress: Progress | None,
) -> None:
    done = start
    while chunk := response.read(_CHUNK_BYTES):
        file.write(chunk)
        done += len(chunk)
        if on_progress:
            on_progress(done, total)
    if total is not None and done < total:
        raise _TemporaryError(f"the connection ended after {done} of {total} bytes")
