"""As much of the WebDriver protocol as a test of a page needs, over chromedriver.

Reference: https://www.w3.org/TR/webdriver2/.
"""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

DRIVER = shutil.which("chromedriver")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--window-size=1200,1600",
)


class Page:
    """A page in a headless browser; a context manager."""

    def __init__(self, url: str, profile: Path) -> None:
        assert DRIVER and BROWSER
        self._url, self._profile = url, profile
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]

    def __enter__(self) -> "Page":
        self._driver = subprocess.Popen(
            [str(DRIVER), f"--port={self._port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self._wait_for_driver()
            options = {"binary": BROWSER, "args": [*_FLAGS, f"--user-data-dir={self._profile}"]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            opened = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{opened['sessionId']}"
            self._call("POST", f"{self._session}/timeouts", {"script": 110_000})
            self._call("POST", f"{self._session}/url", {"url": self._url})
        except BaseException:
            self._driver.kill()
            self._driver.wait()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._call("DELETE", self._session)
        finally:
            self._driver.terminate()
            self._driver.wait(timeout=10)

    def run(self, script: str) -> Any:
        """Value that an asynchronous script passes to its function ``done``."""
        body = {"script": f"const done = arguments[0];\n{script}", "args": []}
        return self._call("POST", f"{self._session}/execute/async", body)

    def resize(self, width: int) -> None:
        """Make the window as wide as this, in pixels."""
        self._call("POST", f"{self._session}/window/rect", {"width": width, "height": 1000})

    def errors(self) -> list[str]:
        """What the browser's console said so far that is worse than a note."""
        entries = self._call("POST", f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def _wait_for_driver(self) -> None:
        deadline = time.monotonic() + 20.0
        while True:
            try:
                if self._call("GET", "/status")["ready"]:
                    return
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < deadline, "chromedriver does not answer"
                time.sleep(0.1)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}",
            data=data,
            method=method,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read())["value"]
