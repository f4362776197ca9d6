"""The page to listen before and after: what is in it, and that a browser plays and switches."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicdenoise.denoising.listening_page import Listening, write_listening_page
from musicdenoise.errors import AudioWriteError
from webdriver import BROWSER, DRIVER, Page

RATE = 44_100


@pytest.fixture
def songs(write_wav, tune, noisy_tune) -> list[Listening]:
    first = Listening(
        source=write_wav("a.wav", noisy_tune[:, :88_200], subtype="FLOAT"),
        target=write_wav("out/a.wav", tune[:, :88_200], subtype="FLOAT"),
        words="removed <b>noise</b>",
    )
    second = Listening(
        source=write_wav("b.wav", 3.0 * noisy_tune[:, :44_100], subtype="FLOAT"),
        target=write_wav("out/b.wav", 3.0 * tune[:, 22_050:44_100], subtype="FLOAT"),
        words="a preview",
        start_seconds=0.5,
    )
    return [first, second]


def sounds(page: str) -> list[np.ndarray]:
    """Samples of each version of each song, as a browser gets them."""
    return [
        soundfile.read(io.BytesIO(base64.b64decode(text, validate=True)), always_2d=True)[0].T
        for text in re.findall(r'data-sound="([^"]*)"', page)
    ]


def test_what_is_in_the_page(tmp_path: Path, songs: list[Listening], tune, noisy_tune) -> None:
    path = write_listening_page(tmp_path / "r", songs)
    page = path.read_text(encoding="utf-8")
    assert not re.search("https?:", page)
    assert "<b>" not in page
    assert "Removed &lt;b&gt;noise&lt;/b&gt;" in page
    assert "script-src 'sha256-" in page
    before, after, removed, *preview = sounds(page)
    scale = float(before[0, 1000] / noisy_tune[0, 1000])
    assert np.allclose(before, scale * noisy_tune[:, :88_200].numpy(), atol=1e-4)
    assert np.allclose(after, scale * tune[:, :88_200].numpy(), atol=1e-4)
    assert np.allclose(removed, before - after, atol=1e-4)
    assert [sound.shape for sound in preview] == [(2, 22_050)] * 3
    assert max(float(np.abs(sound).max()) for sound in preview) <= 1.0
    assert np.corrcoef(preview[0][0], noisy_tune[0, 22_050:44_100].numpy())[0, 1] > 0.99


def test_long_songs_are_cut_from_the_middle(tmp_path: Path, write_wav) -> None:
    ramp = np.linspace(0.0, 0.5, 40 * 8_000, dtype=np.float32)[None]
    song = write_wav("long.wav", ramp, sample_rate=8_000, subtype="FLOAT")
    result = write_wav("out/long.wav", 0.5 * ramp, sample_rate=8_000, subtype="FLOAT")
    listening = Listening(source=song, target=result, words="halved")
    page = write_listening_page(tmp_path / "r", [listening]).read_text(encoding="utf-8")
    before, after, removed = sounds(page)
    assert before.shape == (1, 30 * 8_000)
    assert before[0, [0, -1]] == pytest.approx(ramp[0, [5 * 8_000, 35 * 8_000 - 1]], abs=1e-3)
    assert np.allclose(after, removed, atol=1e-4)
    assert "30 s of it are here, from 5 s on" in page


def test_a_page_of_somebody_else_is_kept(tmp_path: Path, songs: list[Listening]) -> None:
    own = write_listening_page(tmp_path, songs[:1])
    before = own.read_bytes()
    assert write_listening_page(tmp_path, songs).read_bytes() != before
    own.write_text("<h1>My site</h1>")
    with pytest.raises(
        AudioWriteError, match=r"index.html: is not a page of this program, so it was left alone"
    ):
        write_listening_page(tmp_path, songs)
    assert own.read_text() == "<h1>My site</h1>"


@pytest.mark.skipif(not (DRIVER and BROWSER), reason="chromium and chromedriver are not installed")
def test_a_browser_plays_and_switches_without_a_gap(tmp_path: Path, songs: list[Listening]) -> None:
    script = """
    const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
    const press = (name) => new KeyboardEvent("keydown", { key: name, bubbles: true });
    const key = (name) => document.body.dispatchEvent(press(name));
    const levels = () => song.gains.map((gain) => Math.round(100 * gain.gain.value));
    const song = songs[0];
    (async () => {
      await song.play();
      const sources = song.sources;
      while (song.position < 0.2) await wait(20);
      const first = levels();
      key("1");
      await wait(200);
      const second = levels(), same = song.sources === sources, place = song.position;
      document.querySelector("[data-version=removed]").click();
      await wait(200);
      const third = levels(), later = song.position;
      const cursor = parseFloat(song.pictures[0].querySelector(".cursor").style.left);
      song.seek(1.5);
      const moved = song.position;
      key(" ");
      const label = song.toggleButton.textContent;
      await songs[1].play();
      const others = [song.sources === null, songs[1].sources !== null];
      songs[1].pause();
      done({
        first, second, third, same, place, later, cursor, moved, label, others, seconds: song.seconds,
        pressed: song.buttons.map((button) => button.getAttribute("aria-pressed")),
        broken: [...document.images].filter((picture) => !picture.naturalWidth).length,
        wide: document.documentElement.scrollWidth > window.innerWidth,
      });
    })().catch((error) => done({ error: String(error) }));
    """
    url = write_listening_page(tmp_path / "r", songs).as_uri()
    with Page(url, tmp_path / "profile") as browser:
        found = browser.run(script)
        assert browser.errors() == []
    assert "error" not in found, found
    assert (found["first"], found["second"], found["third"]) == ([0, 100, 0], [100, 0, 0], [0, 0, 100])
    assert found["same"] is True
    assert found["later"] > found["place"] > 0.2
    assert found["cursor"] == pytest.approx(100 * found["later"] / found["seconds"], abs=10)
    assert found["moved"] == pytest.approx(1.5, abs=0.2)
    assert (found["label"], found["others"]) == ("Play", [True, True])
    assert found["pressed"] == ["false", "false", "true"]
    assert (found["broken"], found["wide"]) == (0, False)
