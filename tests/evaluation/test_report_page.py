"""The page to look and listen: what is in it, and that a browser plays it."""

import base64
import html
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from eval_data import RATE, make_items
from matplotlib import image

from musicdenoise.audio import read_audio
from musicdenoise.evaluation.evaluate import evaluate
from musicdenoise.evaluation.folder import write_evaluation
from musicdenoise.evaluation.items import EvalItem, load_item
from musicdenoise.evaluation.measures import choose_measures
from musicdenoise.evaluation.metric_files import Provenance
from musicdenoise.evaluation.samples import choose_samples
from musicdenoise.evaluation.systems import baseline, network_system
from webdriver import BROWSER, DRIVER, Page

EVIL = '<script>alert("x")</script>' + 150 * "long"
SECONDS = 1.5


class Reader(HTMLParser):
    """Collects elements, checks that they are closed in order, and the text of table cells."""

    EMPTY = ("meta", "link", "img", "input", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("td", "th"):
            self.cells.append(data)

    def all(self, tag: str, style: str | None = None) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag and style in (None, attrs.get("class"))]


def decode(url: str, kind: str) -> bytes:
    head, _, content = url.partition(",")
    assert head == f"data:{kind};base64"
    return base64.b64decode(content, validate=True)


@pytest.fixture(scope="module")
def report_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")

    def write(name: str, samples, subtype: str) -> Path:
        from musicdenoise.audio import open_writer

        path = folder / name
        path.parent.mkdir(exist_ok=True)
        with open_writer(path, sample_rate=RATE, channels=2, container="WAV", subtype=subtype) as writer:
            writer.write(np.asarray(samples, dtype=np.float32))
        return path

    items = make_items(write, 3, seconds=2.5)
    evil = EvalItem(id=EVIL, noisy=items[0].noisy, clean=items[0].clean, noise_kind="white")
    items[0] = evil
    halved = network_system("net & work", lambda noisy, *_: 0.5 * noisy, folder / "w.safetensors", "0" * 64)
    systems = [baseline("identity"), halved, baseline("oracle")]
    report = evaluate(items, systems, choose_measures("snr,ssnr"))
    provenance = Provenance(
        command=["musicdenoise", "eval", EVIL],
        data=["noisy", "clean"],
        data_sha256="1" * 64,
        systems=systems,
        device="cpu",
    )
    write_evaluation(folder / "out", report, provenance, items, num_samples=3, sample_seconds=SECONDS)
    return folder / "out"


@pytest.fixture(scope="module")
def page(report_folder: Path) -> Reader:
    return Reader((report_folder / "report.html").read_text(encoding="utf-8"))


def test_nothing_comes_from_elsewhere(report_folder: Path, page: Reader) -> None:
    text = (report_folder / "report.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in text and "default-src 'none'" in html.unescape(text)
    assert "http:" not in text and "https:" not in text and "@import" not in text
    for _, attrs in page.elements:
        for name in ("src", "href"):
            assert (attrs.get(name) or "data:").startswith("data:")


def test_names_from_outside_are_escaped(report_folder: Path, page: Reader) -> None:
    text = (report_folder / "report.html").read_text(encoding="utf-8")
    assert EVIL not in text
    assert "&lt;script&gt;alert(&quot;x&quot;)" in text
    assert len(page.all("script")) == 1
    assert text.index("<h2>Samples") < text.index("<h2>SNR improvement") < text.index("<h2>Distributions")
    assert "$" not in text.split("<script>")[0].split("</style>")[1]


def test_every_sample_has_players_with_spectrograms(page: Reader) -> None:
    assert len(page.all("section", "sample")) == 3
    names = [attrs["data-name"] for attrs in page.all("figure", "version")]
    assert names == ["clean", "noisy", "net & work", "net & work (residual)", "oracle"] * 3
    assert len(page.all("audio")) == len(page.all("button")) == len(page.all("div", "picture")) == 15
    lengths = set()
    for attrs in page.all("audio"):
        lengths.add(sound(attrs).shape)
    assert lengths == {(2, round(SECONDS * RATE))}
    for attrs in page.all("img"):
        picture = image.imread(io.BytesIO(decode(str(attrs["src"]), "image/png")))
        assert picture[..., :3].std() > 0.02


def sound(attrs: dict[str, str | None]) -> np.ndarray:
    """Samples ``(channels, n)`` of a player, by another way than the code's."""
    return soundfile.read(io.BytesIO(decode(str(attrs["src"]), "audio/flac")), always_2d=True)[0].T


def test_the_versions_are_what_they_say(page: Reader) -> None:
    clean, noisy, denoised, residual = (sound(attrs) for attrs in page.all("audio")[:4])
    assert not np.allclose(clean, noisy, atol=0.01)
    # The system halves everything; the residual is the other half. Quantised to 16 bits, twice.
    assert np.allclose(denoised, 0.5 * noisy, atol=1e-4)
    assert np.allclose(residual, 0.5 * noisy, atol=1e-4)


def test_the_tables_have_every_system(page: Reader) -> None:
    for text in ("identity", "net & work", "oracle", "SNR [dB]", "SSNR [dB]", "white", "0 to 5 dB"):
        assert any(text in cell for cell in page.cells), text


def test_samples_go_from_the_least_to_the_most_improved(write_wav) -> None:
    items = make_items(write_wav, 5, seconds=0.4)
    report = evaluate(items, [baseline("oracle")], choose_measures("snr"))
    chosen = choose_samples(report, "oracle", 3)
    gains = {row.item: row.values["snr_improvement_db"] for row in report.rows}
    ordered = sorted(gains, key=lambda name: gains[name])
    assert chosen == [ordered[0], ordered[2], ordered[4]]
    assert choose_samples(report, "oracle", 1) == [ordered[2]]
    assert len(choose_samples(report, "oracle", 9)) == 5


def test_written_samples_are_the_middle(report_folder: Path) -> None:
    samples = read_audio(report_folder / "samples" / "01" / "clean.wav").samples
    folder = report_folder.parent
    wholes = [load_item(EvalItem(id="", noisy=path, clean=path)).clean for path in folder.glob("clean/*.wav")]
    start = (wholes[0].shape[1] - samples.shape[1]) // 2
    assert any(
        torch.equal(whole[:, start : start + samples.shape[1]], torch.from_numpy(samples)) for whole in wholes
    )


@pytest.mark.skipif(not (DRIVER and BROWSER), reason="chromium and chromedriver are not installed")
def test_a_browser_plays_and_switches_at_the_same_position(report_folder: Path, tmp_path: Path) -> None:
    script = """
    const boxes = [...document.querySelectorAll(".sample")[0].querySelectorAll(".version")];
    const [clean, noisy] = boxes.map((box) => box.querySelector("audio"));
    const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
    (async () => {
      boxes[0].querySelector("button").click();
      while (clean.currentTime < 0.4) await wait(20);
      boxes[1].querySelector("button").click();
      const left = clean.currentTime, entered = noisy.currentTime, stopped = clean.paused;
      while (noisy.currentTime < entered + 0.2) await wait(20);
      const cursor = parseFloat(boxes[0].querySelector(".cursor").style.left);
      document.dispatchEvent(new KeyboardEvent("keydown", { key: "1" }));
      await wait(50);
      const back = [clean.paused, noisy.paused, clean.currentTime];
      clean.pause();
      done({
        duration: clean.duration, left, entered, stopped, cursor, back,
        marked: boxes.map((box) => box.classList.contains("current")),
        broken: [...document.images].filter((picture) => !picture.naturalWidth).length,
        mute: [...document.querySelectorAll("audio")].filter((audio) => audio.error).length,
      });
    })();
    """
    url = (report_folder / "report.html").as_uri()
    with Page(url, tmp_path / "profile") as browser:
        found = browser.run(script)
        assert browser.errors() == []
        for width in (1280, 500):
            browser.resize(width)
            wide, inner = browser.run("done([document.documentElement.scrollWidth, window.innerWidth]);")
            assert wide <= inner == pytest.approx(width, abs=30)
    assert found["duration"] == pytest.approx(SECONDS, abs=0.01)
    assert found["stopped"] is True
    assert found["entered"] == pytest.approx(found["left"], abs=0.05)
    assert found["back"][:2] == [False, True]
    assert found["back"][2] > found["entered"] + 0.15
    assert 20.0 < found["cursor"] < 100.0
    assert found["marked"] == [True, False, False, False, False]
    assert (found["broken"], found["mute"]) == (0, 0)
