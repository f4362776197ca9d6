"""HTTP connections that end at a deadline, and addresses whose secrets stay secret."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

_USER_AGENT = "musicdenoise"
# What may stand in a path or a query: reserved characters (RFC 3986, section 2.2) and quoted ones.
_UNQUOTED = "%:/?#[]@!$&'()*+,;="


def without_secrets(url: str) -> str:
    """The address for messages: without user name, password and query.

    Everything before the last ``@`` is left out, because it may be a password that was not quoted.
    """
    scheme, separator, rest = url.partition("://")
    place, question, _ = rest.partition("?")
    return f"{scheme}{separator}{place.rpartition('@')[2]}{'?...' if question else ''}"


def build_request(url: str, have: int) -> urllib.request.Request:
    """The request for the bytes of a file from ``have`` on; a name and password go into a header.

    Source: RFC 7617 (basic authentication). The header does not follow redirects to other servers.
    """
    headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    parts = urllib.parse.urlsplit(_quoted(url))
    user, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl(), headers=headers)
    if user:
        token = base64.b64encode(urllib.parse.unquote_to_bytes(user)).decode("ascii")
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _quoted(url: str) -> str:
    """The address in ASCII, as requests need it. Quoted parts stay as they are.

    Source: RFC 3987, section 3.1 (an IRI becomes a URI).
    """
    parts = urllib.parse.urlsplit(url)
    path, query = (
        urllib.parse.quote(part, safe=_UNQUOTED, errors="surrogateescape")
        for part in (parts.path, parts.query)
    )
    return parts._replace(path=path, query=query).geturl()


class Watch:
    """The deadline of a download: when it is over, all connections are cut."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self.timer = threading.Timer(seconds, self._cut)
        self.timer.daemon = True

    @property
    def seconds_left(self) -> float:
        """Time that is left."""
        return max(0.0, self._end - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.seconds_left == 0.0

    def opener(self) -> urllib.request.OpenerDirector:
        """Opens HTTP and HTTPS addresses only, so that redirects cannot lead to files or FTP."""
        opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.UnknownHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPRedirectHandler(),
            urllib.request.HTTPErrorProcessor(),
            _WatchedHandler(self._add),
        ):
            opener.add_handler(handler)
        return opener

    def close(self) -> None:
        """The download has ended."""
        self.timer.cancel()
        for connection in self._sockets:
            connection.close()

    def _add(self, connection: socket.socket) -> None:
        # A copy: TLS takes the socket over while it still negotiates.
        self._sockets.append(connection.dup())
        if self.is_over:
            self._cut()

    def _cut(self) -> None:
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def watching(seconds: float) -> Iterator[Watch]:
    """A deadline from now on, in seconds."""
    watch = Watch(seconds)
    watch.timer.start()
    try:
        yield watch
    finally:
        watch.close()


class _WatchedHandler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens connections and reports their sockets at once, so that even a slow handshake can be cut."""

    def __init__(self, on_socket: Callable[[socket.socket], None]) -> None:
        urllib.request.HTTPHandler.__init__(self)
        urllib.request.HTTPSHandler.__init__(self)
        self._on_socket = on_socket

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._watched(http.client.HTTPConnection), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._watched(http.client.HTTPSConnection), req)

    def _watched(self, kind: type[http.client.HTTPConnection]) -> Callable[..., http.client.HTTPConnection]:
        on_socket = self._on_socket

        def create(*args: Any, **kwargs: Any) -> socket.socket:
            opened = socket.create_connection(*args, **kwargs)
            on_socket(opened)
            return opened

        def connect(*args: Any, **kwargs: Any) -> http.client.HTTPConnection:
            connection = kind(*args, **kwargs)
            # The one place before TLS and the answer of a proxy.
            connection._create_connection = create  # type: ignore[attr-defined]
            return connection

        return connect
