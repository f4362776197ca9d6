"""The limits in docs/promises.md are those of the code. To renew the page, run this file as a program."""

import sys
from importlib import import_module
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "promises.md"
LIMITS = (
    ("channels of a file", "audio.types", "MAX_CHANNELS", ""),
    ("samples that a song may declare", "audio.reader", "_MOST_SAMPLES", ""),
    ("unpacked frames of an ID3 tag", "audio.tags.open_file", "MOST_UNPACKED_BYTES", "bytes"),
    ("chunks of a WAV or AIFF file that are looked at", "audio.containers.riff", "_MOST_CHUNKS", ""),
    ("chunks of a WAV or AIFF file that are kept", "audio.containers.riff_extras", "_MOST_BYTES", "bytes"),
    ("junk in front of MP3", "audio.identify", "_MOST_JUNK_BYTES", "bytes"),
    ("gaps in an MP4 file that silence fills, together", "audio.backends.ffmpeg_scan", "_LONGEST_GAP", "s"),
    ("width of a network, as complexity", "core.architecture", "MOST_COMPLEXITY", ""),
    ("frames that cover a sample", "core.stft", "MOST_OVERLAP", ""),
    ("a song sent to `serve`", "serving.shelf", "MOST_BYTES", "bytes"),
    ("songs that `serve` keeps", "serving.shelf", "MOST_SONGS", ""),
    ("a download of unknown size", "weights.download", "MOST_BYTES", "bytes"),
    ("samples of a row in a manifest", "data.manifest", "_LONGEST", ""),
)


def table() -> str:
    rows = []
    for what, module, name, unit in LIMITS:
        value = getattr(import_module(f"musicdenoise.{module}"), name)
        rows.append(f"| {what} | {int(value):,} {unit}".rstrip() + f" | `{module}.{name}` |\n")
    return "".join(rows)


def test_the_limits_are_those_of_the_code() -> None:
    assert table() in PAGE.read_text(encoding="utf-8")


def test_the_tests_that_the_page_names_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = {part for part in text.split("`") if part.startswith("tests/")}
    assert named
    for name in named:
        assert (PAGE.parents[1] / name).is_file(), name


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("| --- | --- | --- |\n<!-- limits -->\n")
    if not rest:
        sys.exit("the page has its limits already: put <!-- limits --> in their place first")
    PAGE.write_text(f"{before}| --- | --- | --- |\n{table()}{rest}", encoding="utf-8")
