"""The server of the page: whom it answers, what becomes of a song, and what it leaves behind."""

import base64
import io
import re
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("starlette", reason="needs the extra [serve]")
pytest.importorskip("uvicorn", reason="needs the extra [serve]")

from page_server import serving

from musicdenoise.denoising.batch import Task
from musicdenoise.errors import AudioError
from musicdenoise.serving import shelf, workshop
from serving_client import Client, wait_until

SETTINGS = b'{"noise": "white", "strength": 1.0}'


@pytest.fixture
def client(tmp_path: Path):
    with serving(tmp_path / "shelf") as client:
        yield client


@pytest.fixture
def song(write_wav, noisy_tune) -> Path:
    return write_wav("song.wav", 0.5 * noisy_tune[:, :88_200], subtype="FLOAT")


def sounds(section: str) -> list[np.ndarray]:
    return [
        soundfile.read(io.BytesIO(base64.b64decode(text)), dtype="float32", always_2d=True)[0].T
        for text in re.findall(r'data-sound="([^"]*)"', section)
    ]


def test_the_page_asks_nobody_else(client: Client) -> None:
    with closing(client.open("GET", "/")) as answer:
        page = answer.read().decode()
    policy = answer.headers["Content-Security-Policy"]
    assert answer.status == 200
    assert not re.search("https?:", page)
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    for word in ("hiss", "traffic", "tape"):
        assert word in page


def test_from_a_song_to_its_result(client: Client, song: Path, tmp_path: Path) -> None:
    taken = client.take(song)
    place = f"/songs/{taken['key']}"
    assert (taken["name"], taken["seconds"]) == ("song.wav", 2.0)
    *progress, preview = client.work(f"{place}/preview", noise="white", start=99.0)
    assert all(0.0 <= line["share"] <= 1.0 for line in progress)
    before, after, removed = sounds(preview["section"])
    assert before.shape == (2, 88_200)
    assert np.allclose(removed, before - after, atol=1e-4)
    original = soundfile.read(song, dtype="float32")[0].T
    scale = float(before[0, 100] / original[0, 100])
    assert np.abs(removed).mean() > 0.3 * np.abs(before).mean() * 10**-0.5

    done = client.work(f"{place}/result", noise="white", strength=0.25)[-1]
    assert done["name"] == "song_denoised.wav"
    assert done["words"].startswith("removed noise")
    with closing(client.open("GET", done["url"])) as answer:
        result = soundfile.read(io.BytesIO(answer.read()), dtype="float32")[0].T
    assert answer.headers["Content-Disposition"] == 'attachment; filename="song_denoised.wav"'
    # What the page's player mixes for this strength.
    heard = 0.75 * before + 0.25 * after
    assert np.abs(scale * result - heard).max() < 1e-3

    assert client.ask("DELETE", place)[0] == 204
    assert list((tmp_path / "shelf").iterdir()) == []
    for method, path in (("GET", "result"), ("POST", "result"), ("POST", "preview")):
        status, content = client.ask(method, f"{place}/{path}", SETTINGS if method == "POST" else None)
        assert (status, content) == (404, b'{"error":"the song is no longer here: drop it again"}')


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Host": "localhost.evil.example:80"},
        {"Origin": ""},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
    ],
    ids=str,
)
def test_only_its_own_page_may_send(
    client: Client, song: Path, headers: dict[str, str], tmp_path: Path
) -> None:
    # Short enough to be sent before the answer: the server does not wait for the rest.
    status, content = client.ask("POST", "/songs?name=song.wav", song.read_bytes()[:1000], **headers)
    assert status == 403
    assert re.fullmatch(rb'\{"error":"[^"]*"\}', content)
    assert list((tmp_path / "shelf").iterdir()) == []


def test_other_sites_may_link_to_the_page_and_no_more(client: Client, song: Path) -> None:
    taken = client.take(song)
    done = client.work(f"/songs/{taken['key']}/result", noise="white")[-1]
    assert client.ask("GET", "/", Sec_Fetch_Site="cross-site")[0] == 200
    assert client.ask("GET", "/", Host="evil.example")[0] == 403
    assert client.ask("GET", done["url"], Sec_Fetch_Site="cross-site")[0] == 403
    assert client.ask("GET", done["url"])[0] == 200


def test_songs_that_are_none(client: Client, tmp_path: Path, write_wav) -> None:
    for name, content, told in (
        ("notes.mp3", b"# Notes\n", "notes.mp3: is not an audio file"),
        ("", b"", "song: "),
    ):
        status, answer = client.ask("POST", f"/songs?name={name}", content)
        assert status == 422
        assert answer.decode().startswith(f'{{"error":"{told}')
    assert list((tmp_path / "shelf").iterdir()) == []
    short = client.take(write_wav("short.wav", np.zeros((1, 10))))
    (line,) = [line for line in client.work(f"/songs/{short['key']}/result") if "share" not in line]
    assert line["error"].startswith("short.wav: is too short to denoise")


@pytest.mark.parametrize("is_declared", [True, False])
def test_a_song_that_is_too_large(
    client: Client, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_declared: bool
) -> None:
    monkeypatch.setattr(shelf, "MOST_BYTES", 100_000)
    content = song.read_bytes()
    status, answer = client.ask(
        "POST", "/songs?name=a.wav", content if is_declared else iter([content[:90_000], content[90_000:]])
    )
    assert status == 413
    assert b"is larger than" in answer
    assert list((tmp_path / "shelf").iterdir()) == []


def test_no_room_is_told(client: Client, song: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    content = song.read_bytes()
    monkeypatch.setattr(Path, "open", full)
    status, answer = client.ask("POST", "/songs?name=a.wav", content)
    assert status == 422
    assert b"a.wav: cannot be stored in " in answer
    assert b"No space left on device; make room there" in answer
    assert list((tmp_path / "shelf").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.wav", "_.._etc_passwd.wav"),
        ("C:\\songs\\a.wav", "C__songs_a.wav"),
        ("a\x1b[31mb\n.wav", "a__31mb_.wav"),
        (".hidden.wav", "hidden.wav"),
        ("L\u00e4rm " + 300 * "x" + ".wav", "L\u00e4rm " + 55 * "x" + ".wav"),
    ],
)
def test_names_are_only_names(client: Client, song: Path, tmp_path: Path, name: str, kept: str) -> None:
    taken = client.take(song, name)
    assert taken["name"] == kept
    assert [path.name for path in (tmp_path / "shelf" / str(taken["key"])).iterdir()] == [kept]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"[]", b"the settings are not understood"),
        (b"{", b"the settings are not understood"),
        (b'{"strength": "1"}', b"the settings are not understood: strength is"),
        (b'{"path": "/etc"}', b"the settings are not understood: 'path' is unknown"),
        (b"\xff", b"the settings are not understood"),
        (b" " * 20_000, b"the settings are too long"),
    ],
)
def test_settings_that_are_none(client: Client, song: Path, body: bytes, told: bytes) -> None:
    status, answer = client.ask("POST", f"/songs/{client.take(song)['key']}/result", body)
    assert status == 400
    assert told in answer


def test_the_oldest_song_goes(client: Client, song: Path, tmp_path: Path) -> None:
    keys = [client.take(song)["key"] for _ in range(shelf.MOST_SONGS + 1)]
    assert {path.name for path in (tmp_path / "shelf").iterdir()} == set(keys[1:])
    assert client.ask("POST", f"/songs/{keys[0]}/preview", SETTINGS)[0] == 404


def test_one_song_at_a_time_and_none_for_nobody(
    client: Client, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[Path] = []
    most = 0

    def endless(_denoiser: object, task: Task, *, on_progress) -> AudioError:
        nonlocal most
        running.append(task.job.source)
        most = max(most, len(running))
        try:
            for done in range(1, 10_000):
                on_progress(done, 20_000)
                workshop.time.sleep(0.01)
        except AudioError as error:
            return error
        finally:
            running.pop()
        raise AssertionError("nobody stopped it")

    monkeypatch.setattr(workshop, "try_to_denoise", endless)
    first, second = (client.take(song)["key"] for _ in range(2))
    one = client.open("POST", f"/songs/{first}/result", SETTINGS)
    wait_until(lambda: running)
    other = client.open("POST", f"/songs/{second}/result", SETTINGS)
    assert b'"waits": true' in other.readline()
    line = one.readline()
    while b'"left": null' in line:
        line = one.readline()
    assert b'"waits": false' in line
    one.close()
    while b'"waits": true' in line or b"share" not in line:
        line = other.readline()
    other.close()
    wait_until(lambda: not running)
    assert most == 1
