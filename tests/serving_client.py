"""What a browser sends to the server of `musicdenoise serve`."""

import http.client
import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote


class Client:
    """Sends requests as the page does, unless told otherwise."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._host = address.removeprefix("http://").rstrip("/")

    def open(self, method: str, path: str, body: object = None, **headers: str) -> http.client.HTTPResponse:
        """The answer, not read yet."""
        connection = http.client.HTTPConnection(self._host, timeout=120)
        sent = {"Host": self._host, "Origin": f"http://{self._host}", "Sec-Fetch-Site": "same-origin"}
        sent["Connection"] = "close"  # so that what is left of it is the answer
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        chunked = not isinstance(body, bytes | str | None)
        try:
            connection.request(
                method, path, body, {k: v for k, v in sent.items() if v}, encode_chunked=chunked
            )
            return connection.getresponse()
        except OSError:
            connection.close()
            raise

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
        """Status and content of the answer."""
        with closing(self.open(method, path, body, **headers)) as answer:
            return answer.status, answer.read()

    def take(self, song: Path, name: str | None = None) -> dict[str, object]:
        """What the server says of a song that is sent to it."""
        path = f"/songs?name={quote(name or song.name)}"
        return json.loads(self.ask("POST", path, song.read_bytes())[1])

    def work(self, path: str, **settings: object) -> list[dict[str, object]]:
        """The lines of a preview or a result."""
        status, content = self.ask("POST", path, json.dumps(settings))
        assert status == 200, content
        return [json.loads(line) for line in content.splitlines()]


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
