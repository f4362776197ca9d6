"""The page in a headless browser: a song is dropped, heard before and after, and its result fetched."""

import base64
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra [serve]")
pytest.importorskip("uvicorn", reason="needs the extra [serve]")

from page_server import serving

from webdriver import BROWSER, DRIVER, Page

pytestmark = pytest.mark.skipif(
    not (DRIVER and BROWSER), reason="chromium and chromedriver are not installed"
)

HELPERS = """
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const until = async (holds) => {
  for (let tries = 0; tries < 2000; tries++) {
    if (holds()) return;
    await wait(20);
  }
  throw new Error("never: " + holds);
};
const shown = (id) => !part(id).hidden && part(id).getClientRects().length > 0;
const set = (id, value, kind) => {
  part(id).value = value;
  part(id).dispatchEvent(new Event(kind, { bubbles: true }));
};
const drop = (bytes, name) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))], name));
  part("drop").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
};
const levels = () => active.gains.map((gain) => Math.round(100 * gain.gain.value));
"""


def test_a_song_from_the_drop_to_the_download(tmp_path: Path, write_wav, noisy_tune) -> None:
    song = write_wav("b&b <i>.wav", noisy_tune[:, :88_200])
    script = (
        HELPERS
        + f'const bytes = "{base64.b64encode(song.read_bytes()).decode()}";'
        + """
    (async () => {
      drop(btoa("no music"), "notes.mp3");
      await until(() => part("error").textContent);
      const refused = part("error").textContent, hidden = !shown("settings");
      drop(bytes, "b&b <i>.wav");
      await until(() => songs.length === 1 && !work);
      const name = part("name").textContent, cleared = part("error").textContent;
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true }));
      await until(() => active.sources && active.position > 0.2);
      const full = levels();
      set("strength", 25, "input");
      await wait(200);
      const quarter = levels(), text = part("strength-text").textContent;
      set("noise", "white", "change");
      await until(() => work);
      await until(() => !work);
      if (!active.sources) await active.play();  // the song may have ended meanwhile
      await until(() => active.gains);
      const kept = [songs.length, levels()];
      active.pause();
      part("whole").click();
      await until(() => shown("download"));
      const link = part("download");
      const answer = await fetch(link.href);
      const size = (await answer.arrayBuffer()).byteLength;
      const focused = document.activeElement === link;
      const said = part("status").textContent;
      const unlabelled = [...document.querySelectorAll("input, select")].filter(
        (field) => !field.labels.length && !field.getAttribute("aria-label")).length;
      drop(bytes, "again.wav");
      await until(() => work);
      const stopping = shown("stop");
      part("stop").click();
      await until(() => !work);
      await wait(100);
      done({
        refused, hidden, name, cleared, full, quarter, text, kept, size, focused, said, unlabelled, stopping,
        file: link.download, stopped: part("status").textContent, failed: part("error").textContent,
        wide: document.documentElement.scrollWidth > window.innerWidth,
      });
    })().catch((error) => done({ error: String(error) }));
    """
    )
    with serving(tmp_path / "shelf") as client, Page(client.address, tmp_path / "profile") as browser:
        found = browser.run(script)
        errors = [line for line in browser.errors() if "422" not in line]
    assert "error" not in found, found
    assert errors == []
    assert found["refused"].startswith("notes.mp3: is not an audio file")
    assert (found["hidden"], found["cleared"], found["failed"]) == (True, "", "")
    assert found["name"] == "b&b _i_.wav, 0:02"
    assert (found["full"], found["quarter"], found["text"]) == ([0, 100, 0], [75, 25, 0], "25 %")
    assert found["kept"] == [1, [75, 25, 0]]
    assert found["file"] == "b&b _i__denoised.wav"
    assert found["size"] == pytest.approx(song.stat().st_size, abs=200)
    assert found["said"].startswith("Done: removed noise")
    assert (found["focused"], found["unlabelled"], found["stopping"]) == (True, 0, True)
    assert found["stopped"] == "Stopped."
    assert found["wide"] is False
