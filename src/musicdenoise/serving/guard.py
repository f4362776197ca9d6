"""Who may ask the server: the page that it sent to a browser on this machine, and nobody else.

A browser asks any address for any page. So a page from elsewhere could send requests to this machine in the
user's name, or reach it under a name of its own that it lets point here (DNS rebinding). The first is
refused by what a browser says of the request's origin, the second by the host that it believes to talk to.

References: RFC 6454 (Origin); https://fetch.spec.whatwg.org (Sec-Fetch-Site, Cross-Origin-Resource-Policy).
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_READING = ("GET", "HEAD")
_FROM_ELSEWHERE = ("cross-site", "same-site")  # of Sec-Fetch-Site
_HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """Lets the requests of the server's own page through; an ASGI application.

    Parameters
    ----------
    app
        What answers them.
    hosts
        Names of the server with its port, such as ``"127.0.0.1:8765"``.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._origins = frozenset(f"http://{host}" for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif reason := self._reason(scope):
            await JSONResponse({"error": reason}, 403)(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)

    def _reason(self, scope: Scope) -> str | None:
        """Why a request is refused; None if it is not."""
        headers = Headers(scope=scope)
        if headers.get("host") not in self._hosts:
            return f"this server is only known as {' or '.join(sorted(self._hosts))}"
        if scope["method"] not in _READING:
            is_own = headers.get("origin") in self._origins
        else:
            # Whoever follows a link to the page may see it; what it asks for itself stays its own.
            is_own = scope["path"] == "/" or headers.get("sec-fetch-site") not in _FROM_ELSEWHERE
        return None if is_own else "only the page of this server may ask for that"
