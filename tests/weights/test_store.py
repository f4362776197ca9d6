"""The store against a real HTTP server on this machine."""

import base64
import contextlib
import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.errors import WeightsError
from musicdenoise.kinds import NOISE_CLASSES
from musicdenoise.weights import download as download_module
from musicdenoise.weights import store as store_module
from musicdenoise.weights.conversion import git_blob_id
from musicdenoise.weights.download import DownloadOptions, download
from musicdenoise.weights.index import BUNDLED, IndexEntry, load_index
from musicdenoise.weights.loading import load_network
from musicdenoise.weights.store import WeightsStore, matches

CONTENT = bytes(range(256)) * 2_000
QUICK = DownloadOptions(attempts=3, timeout_seconds=1.0, pause_seconds=0.01)


def entry_for(*sources: str, file: str = "net.safetensors") -> IndexEntry:
    return IndexEntry(
        name="net",
        noise_kind="white",
        file=file,
        size_bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="CC0-1.0",
        sources=sources,
    )


@dataclass
class Server:
    """A web server whose answers a test sets: each request takes the next, the last one stays."""

    answers: list[Callable[[http.server.BaseHTTPRequestHandler], None]] = field(default_factory=list)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append((self.path, self.headers.get("Range")))
            answer = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state.url = f"http://127.0.0.1:{httpd.server_port}/weights"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


def send(body: bytes, status: int = 200, length: int | None = None, headers: dict[str, str] | None = None):
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def send_range(handler: http.server.BaseHTTPRequestHandler) -> None:
    """The whole, or the part that is asked for."""
    wanted = handler.headers.get("Range")
    if wanted is None:
        send(CONTENT)(handler)
        return
    start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    where = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
    send(CONTENT[start:], 206, headers={"Content-Range": where})(handler)


def stall(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Half of the file, then silence."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[:1000])
    handler.wfile.flush()
    time.sleep(1.5)


@pytest.fixture
def store(tmp_path: Path, server: Server) -> WeightsStore:
    return WeightsStore(folder=tmp_path / "cache", mirror=server.url, options=QUICK)


def files_in(store: WeightsStore) -> set[str]:
    return {path.name for path in store.folder.iterdir() if not path.name.endswith(".lock")}


def test_first_use_fetches_and_later_ones_do_not(store: WeightsStore, server: Server) -> None:
    server.answers = [send(CONTENT)]
    seen: list[tuple[int, int | None]] = []
    path = store.fetch(entry_for(), lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert store.fetch(entry_for()) == path
    assert server.requests == [("/weights/net.safetensors", None)]
    assert files_in(store) == {"net.safetensors"}


def test_a_damaged_file_in_the_cache_is_fetched_again(store: WeightsStore, server: Server) -> None:
    server.answers = [send(CONTENT)]
    store.folder.mkdir()
    store.path(entry_for()).write_bytes(CONTENT[:-1] + b"x")
    assert not store.is_cached(entry_for())
    assert store.fetch(entry_for()).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (send(b"garbage" * 73_143), "expected 512000 bytes"),
        (send(CONTENT[:-1] + b"x"), "expected 512000 bytes with sha256"),
        (send(b"<!DOCTYPE html><p>please log in"), "bytes of HTML"),
        (send(b"", 404), "404"),
        (send(b"", 403), "403"),
        (send(b"", 500), "in 3 tries: the server answered 500"),
        (stall, "in 3 tries"),
        (send(CONTENT[:5_000], length=len(CONTENT)), "in 3 tries"),
    ],
)
def test_a_bad_mirror_is_an_error_and_leaves_no_broken_file(
    store: WeightsStore, server: Server, answer, message: str
) -> None:
    server.answers = [answer]
    with pytest.raises(WeightsError, match="net could not be fetched") as caught:
        store.fetch(entry_for())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not store.path(entry_for()).exists()


def test_another_source_is_tried(store: WeightsStore, server: Server) -> None:
    server.answers = [send(b"", 404), send(CONTENT)]
    assert store.fetch(entry_for(f"{server.url}/other")).read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == ["/weights/net.safetensors", "/weights/other"]


def test_trouble_that_passes(store: WeightsStore, server: Server) -> None:
    server.answers = [send(b"", 503), send(b"", 500), send(CONTENT)]
    assert store.fetch(entry_for()).read_bytes() == CONTENT
    assert len(server.requests) == 3


def test_a_dropped_connection_is_resumed(store: WeightsStore, server: Server) -> None:
    server.answers = [send(CONTENT[:200_000], length=len(CONTENT)), send_range]
    assert store.fetch(entry_for()).read_bytes() == CONTENT
    assert server.requests[1][1] == "bytes=200000-"


def test_an_interrupted_fetch_is_resumed_by_the_next(store: WeightsStore, server: Server) -> None:
    server.answers = [send_range]

    def interrupt(done: int, total: int | None) -> None:
        if done >= 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.fetch(entry_for(), interrupt)
    assert files_in(store) == {"net.safetensors.part"}
    assert store.fetch(entry_for()).read_bytes() == CONTENT
    have = server.requests[1][1]
    assert have is not None
    assert 100_000 <= int(have[6:-1]) < 300_000


def test_a_server_without_ranges_starts_anew(store: WeightsStore, server: Server) -> None:
    server.answers = [send(CONTENT[:200_000], length=len(CONTENT)), send(CONTENT)]
    assert store.fetch(entry_for()).read_bytes() == CONTENT


def test_a_part_that_is_too_long_or_wrong_does_not_stay(store: WeightsStore, server: Server) -> None:
    server.answers = [send_range]
    store.folder.mkdir()
    part = store.folder / "net.safetensors.part"
    part.write_bytes(CONTENT + b"more")
    assert store.fetch(entry_for()).read_bytes() == CONTENT
    store.remove(entry_for())
    part.write_bytes(b"wrong")
    with pytest.raises(WeightsError, match="expected 512000 bytes"):
        store.fetch(entry_for())
    assert store.fetch(entry_for()).read_bytes() == CONTENT


def test_nothing_listens(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(WeightsError, match="Connection refused"):
        WeightsStore(folder=tmp_path, mirror=url, options=QUICK).fetch(entry_for())
    with pytest.raises(WeightsError, match="not an HTTP address"):
        WeightsStore(folder=tmp_path, mirror="ftp://x", options=QUICK).fetch(entry_for())


@pytest.mark.parametrize(
    ("folder", "asked"),
    [("gewichte-für-musik", "gewichte-f%C3%BCr-musik"), ("f%C3%BCr a?b=c d", "f%C3%BCr%20a?b=c%20d")],
)
def test_addresses_are_quoted_once(server: Server, tmp_path: Path, folder: str, asked: str) -> None:
    server.answers = [send(CONTENT)]
    part = tmp_path / "part"
    download(f"{server.url}/{folder}", part, size_bytes=len(CONTENT), options=QUICK)
    assert part.read_bytes() == CONTENT
    assert server.requests == [(f"/weights/{asked}", None)]


@pytest.mark.parametrize("mirror", ["http://[::1/x", "http://a..b/x", "http://音.invalid/x"])
def test_addresses_that_are_none(tmp_path: Path, mirror: str) -> None:
    store = WeightsStore(folder=tmp_path, mirror=mirror, options=QUICK)
    with pytest.raises(WeightsError, match=r"/net\.safetensors could not be fetched: .*check the address"):
        store.fetch(entry_for())


def test_offline_fetches_nothing(tmp_path: Path, server: Server) -> None:
    store = WeightsStore(folder=tmp_path / "cache", mirror=server.url, offline=True, options=QUICK)
    with pytest.raises(WeightsError, match="leave offline out"):
        store.fetch(entry_for())
    assert not server.requests
    bundled = load_index()[0]
    assert store.fetch(bundled).parent == store.folder


def test_the_bundled_copy_comes_first_and_the_mirror_helps_where_it_is_damaged(
    tmp_path: Path, store: WeightsStore, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(store_module, "BUNDLED_FOLDER", package)
    server.answers = [send(CONTENT)]
    entry = entry_for(BUNDLED)
    (package / "net.safetensors").write_bytes(CONTENT)
    assert store.fetch(entry).read_bytes() == CONTENT
    assert not server.requests
    store.remove(entry)
    (package / "net.safetensors").write_bytes(CONTENT[:-5])
    assert store.fetch(entry).read_bytes() == CONTENT
    store.remove(entry)
    (package / "net.safetensors").unlink()
    assert store.fetch(entry).read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_a_cache_that_cannot_be_written(tmp_path: Path, server: Server) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    store = WeightsStore(folder=blocker / "cache", mirror=server.url, options=QUICK)
    server.answers = [send(CONTENT)]
    with pytest.raises(WeightsError, match="set MUSICDENOISE_CACHE to another folder"):
        store.fetch(entry_for())
    bundled = load_index()[0]
    assert matches(store.fetch(bundled), bundled)  # the copy in the package itself


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(store: WeightsStore, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers = [send(CONTENT)]
    monkeypatch.setattr(download_module, "open_resumable", lambda *_, **__: open("/dev/full", "wb"))  # noqa: SIM115,PTH123
    with pytest.raises(WeightsError, match="free some space"):
        store.fetch(entry_for())
    assert files_in(store) == set()


def test_a_part_that_is_a_link_is_not_followed(store: WeightsStore, server: Server, tmp_path: Path) -> None:
    server.answers = [send(CONTENT)]
    store.folder.mkdir()
    other = tmp_path / "other"
    other.write_bytes(b"mine")
    (store.folder / "net.safetensors.part").symlink_to(other)
    assert store.fetch(entry_for()).read_bytes() == CONTENT
    assert other.read_bytes() == b"mine"


def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
    """A body without end or stated length."""
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(CONTENT)


@pytest.mark.parametrize("answer", [endless, send(b"", length=10**15)])
def test_a_server_cannot_fill_the_disk(store: WeightsStore, server: Server, answer) -> None:
    server.answers = [answer]
    with pytest.raises(WeightsError, match="expected 512000 bytes"):
        store.fetch(entry_for())
    assert files_in(store) == set()


def test_a_file_of_unknown_size_is_limited_too(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "MOST_BYTES", 1_000_000)
    server.answers = [endless]
    with pytest.raises(WeightsError, match="more than the expected 1000000 bytes"):
        download(server.url, tmp_path / "part", size_bytes=None, options=QUICK)
    assert list(tmp_path.iterdir()) == []


def drip_body(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    drip(handler)


def drip_header(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    drip(handler)


def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
    with contextlib.suppress(OSError):
        for _ in range(100):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)


@pytest.mark.parametrize("answer", [drip_body, drip_header])
def test_a_server_that_drips_is_left_at_the_deadline(tmp_path: Path, server: Server, answer) -> None:
    server.answers = [answer]
    began = time.monotonic()
    with pytest.raises(WeightsError, match="could not be fetched within"):
        download(
            server.url,
            tmp_path / "part",
            size_bytes=len(CONTENT),
            options=DownloadOptions(timeout_seconds=10.0, deadline_seconds=0.5, pause_seconds=0.01),
        )
    assert time.monotonic() - began < 3.0


@pytest.mark.parametrize("is_proxy", [False, True])
def test_a_handshake_that_drips_is_left_at_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_proxy: bool
) -> None:
    """A record of TLS whose bytes never end, or the answer of a proxy whose header never ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    beginning = b"HTTP/1.1 200 OK\r\nX-Slow: " if is_proxy else b"\x16\x03\x03\x40\x00"

    def answer() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(beginning)
                for _ in range(200):
                    connection.sendall(b"x")
                    time.sleep(0.05)

    threading.Thread(target=answer, daemon=True).start()
    place = f"127.0.0.1:{listener.getsockname()[1]}"
    if is_proxy:
        monkeypatch.setenv("https_proxy", f"http://{place}")
        monkeypatch.setenv("no_proxy", "")
    began = time.monotonic()
    with listener, pytest.raises(WeightsError, match="could not be fetched within"):
        download(
            "https://example.invalid/x" if is_proxy else f"https://{place}/x",
            tmp_path / "part",
            size_bytes=10,
            options=DownloadOptions(timeout_seconds=20.0, deadline_seconds=0.5, pause_seconds=0.01),
        )
    assert time.monotonic() - began < 4.0


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_redirects_lead_to_http_only(store: WeightsStore, server: Server, place: str) -> None:
    server.answers = [send(b"", 302, headers={"Location": place})]
    with pytest.raises(WeightsError, match=r"none of HTTP or HTTPS|answered 302"):
        store.fetch(entry_for())


def test_a_redirect_to_another_place_is_followed_without_the_password(server: Server, tmp_path: Path) -> None:
    seen: list[str | None] = []

    def note(handler: http.server.BaseHTTPRequestHandler, answer) -> None:
        seen.append(handler.headers.get("Authorization"))
        answer(handler)

    moved = send(b"", 302, headers={"Location": f"{server.url}/moved"})
    server.answers = [lambda handler: note(handler, moved), lambda handler: note(handler, send(CONTENT))]
    url = server.url.replace("http://", "http://me:s%40cret@")
    download(url, tmp_path / "part", size_bytes=len(CONTENT), options=QUICK)
    assert seen == [f"Basic {base64.b64encode(b'me:s@cret').decode()}", None]


@pytest.mark.parametrize(
    "mirror",
    ["http://me:secret@127.0.0.1:1", "http://me:se/secret@x", "http://me:secret@[::1/x", "ftp://me:secret@x"],
)
def test_passwords_are_not_printed(tmp_path: Path, mirror: str) -> None:
    store = WeightsStore(folder=tmp_path, mirror=f"{mirror}/y?token=secret", options=QUICK)
    with pytest.raises(WeightsError) as caught:
        store.fetch(entry_for())
    assert "secret" not in str(caught.value)


def test_the_words_of_a_server_are_not_repeated(store: WeightsStore, server: Server) -> None:
    def lie(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 404 \x1b[2Jerror: run this\r\n\r\n")

    server.answers = [lie]
    with pytest.raises(WeightsError, match="the server answered 404 Not Found"):
        store.fetch(entry_for())


def test_nobody_waits_for_what_the_package_has(tmp_path: Path) -> None:
    store, entry = WeightsStore(folder=tmp_path), load_index()[0]
    with FileLock(tmp_path / f".{entry.file}.lock"):
        began = time.monotonic()
        assert matches(store.fetch(entry), entry)
        assert time.monotonic() - began < 5.0
        with pytest.raises(WeightsError, match="another process has been fetching"):
            store.store(entry, lock_seconds=0.0)


def test_two_processes_fetch_once(tmp_path: Path, server: Server) -> None:
    def slow(handler: http.server.BaseHTTPRequestHandler) -> None:
        time.sleep(0.5)
        send(CONTENT)(handler)

    server.answers = [slow]
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from musicdenoise.weights.index import IndexEntry\n"
        "from musicdenoise.weights.store import WeightsStore\n"
        "folder, url, size, digest = sys.argv[1:]\n"
        "entry = IndexEntry(name='net', noise_kind='white', file='net.safetensors', size_bytes=int(size),\n"
        "                   sha256=digest, licence='x', sources=())\n"
        "print(WeightsStore(folder=Path(folder), mirror=url).fetch(entry))\n"
    )
    arguments = [str(tmp_path / "cache"), server.url, str(len(CONTENT)), entry_for().sha256]
    processes = [
        subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE) for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[1] for process in processes] == [None, None]
    assert [process.returncode for process in processes] == [0, 0]
    assert len(server.requests) == 1
    assert (tmp_path / "cache" / "net.safetensors").read_bytes() == CONTENT


def test_environment_names_folder_and_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSICDENOISE_CACHE", str(tmp_path))
    monkeypatch.setenv("MUSICDENOISE_WEIGHTS_URL", "http://mirror")
    assert WeightsStore.of_user().folder == tmp_path / "weights"
    assert WeightsStore.of_user().mirror == "http://mirror"
    assert WeightsStore.of_user(mirror="http://other").mirror == "http://other"
    monkeypatch.delenv("MUSICDENOISE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform == "linux":
        assert WeightsStore.of_user().folder == tmp_path / "xdg" / "musicdenoise" / "weights"
    assert "musicdenoise" in os.fspath(WeightsStore.of_user().folder)


@pytest.fixture(scope="module")
def pickled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as NoiseRemover has them."""
    path = tmp_path_factory.mktemp("pth") / "dc20_white.pth"
    torch.manual_seed(1)
    network = DCUNet(DCUNetConfig.of_complexity(1, mask="component", level_reach=0))
    torch.save(network.state_dict(), path)
    return path


def theirs(pickled: Path, server: Server, **changes: str) -> IndexEntry:
    fields = {"git_blob": git_blob_id(pickled), "file": "noiseremover-white.safetensors"}
    return IndexEntry(
        name="noiseremover/white",
        noise_kind="white",
        licence="none stated",
        sources=(f"{server.url}/their/dc20_white.pth",),
        **{**fields, **changes},
    )


def test_the_blob_id_is_that_of_git(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello\n")  # git hash-object
    assert git_blob_id(tmp_path / "x") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_networks_of_others_are_converted(tmp_path: Path, server: Server, pickled: Path) -> None:
    server.answers = [send(pickled.read_bytes())]
    store, entry = WeightsStore(folder=tmp_path / "cache", options=QUICK), theirs(pickled, server)
    path = store.fetch(entry)
    assert server.requests == [("/weights/their/dc20_white.pth", None)]
    loaded, metadata = load_network(path)
    expected, _ = load_network(pickled)
    assert metadata.noise_kind == "white"
    assert loaded.config == expected.config
    for name, tensor in expected.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    assert store.fetch(entry) == path
    assert len(server.requests) == 1
    assert files_in(store) == {path.name, f"{path.name}.sha256"}
    path.write_bytes(path.read_bytes()[:-1])  # damaged later
    assert not store.is_cached(entry)
    store.fetch(entry)
    assert store.is_cached(entry)
    assert store.remove(entry)
    assert files_in(store) == set()


def test_a_mirror_has_them_under_their_own_name(store: WeightsStore, server: Server, pickled: Path) -> None:
    server.answers = [send(pickled.read_bytes())]
    store.fetch(theirs(pickled, server))
    assert server.requests == [("/weights/dc20_white.pth", None)]


def test_another_file_than_theirs_is_refused(tmp_path: Path, server: Server, pickled: Path) -> None:
    server.answers = [send(b"<html>moved</html>")]
    store = WeightsStore(folder=tmp_path / "cache", options=QUICK)
    with pytest.raises(WeightsError, match=r"of HTML with git's id .*, expected "):
        store.fetch(theirs(pickled, server))
    assert files_in(store) == set()


def test_what_has_the_right_id_but_is_no_network_is_refused(tmp_path: Path, server: Server) -> None:
    bomb = tmp_path / "bomb.pth"
    bomb.write_bytes(b"no network")
    server.answers = [send(bomb.read_bytes())]
    store = WeightsStore(folder=tmp_path / "cache", options=QUICK)
    with pytest.raises(WeightsError, match="cannot be read as a PyTorch state dict"):
        store.fetch(theirs(bomb, server))
    assert not any(name.endswith(".safetensors") for name in files_in(store))


def test_the_index_names_all_networks_of_noiseremover() -> None:
    entries = [entry for entry in load_index() if entry.name.startswith("noiseremover/")]
    assert {entry.noise_kind for entry in entries} == {"white", "mixed", *NOISE_CLASSES}
    assert all(entry.sources[0].endswith(".pth") and len(entry.git_blob or "") == 40 for entry in entries)
    with pytest.raises(TypeError, match="either a sha256 or a git_blob"):
        IndexEntry(name="x", noise_kind="white", file="x", licence="none")
