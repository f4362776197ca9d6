"""Lists of songs and files of results, as text."""

from pathlib import Path

import pytest

from musicdenoise.errors import DataError
from musicdenoise.fleet.song_list import SongResult, append_result, open_results, read_results, read_songs


def test_lists_of_other_systems_and_odd_names(tmp_path: Path) -> None:
    path = tmp_path / "songs.tsv"
    path.write_bytes("\ufeffa\u2028b.wav\tout/a.wav\r\n\r\nc.wav\tout/c.wav\r\n".encode())
    songs = read_songs(path)
    assert [str(song.source) for song in songs] == ["a\u2028b.wav", "c.wav"]
    assert [song.target for song in songs] == [Path("out/a.wav"), Path("out/c.wav")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a.wav\tout/b.wav\nc.wav\tout/../out/b.wav\n", "line 2 has the output of another line"),
        ("a.wav\tb.wav\nb.wav\tc.wav\n", "b.wav is the input of one line and the output of another"),
        ("a.wav\t./a.wav\n", "a.wav is the input of one line and the output of another"),
    ],
)
def test_no_result_takes_the_place_of_another_file_of_the_list(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "songs.tsv"
    path.write_text(text)
    with pytest.raises(DataError, match=told):
        read_songs(path)


def test_results_are_not_appended_to_another_file(tmp_path: Path) -> None:
    path = tmp_path / "songs.tsv"
    path.write_text("a.wav\tb.wav\n")
    with pytest.raises(DataError, match=r"songs\.tsv: is no file of results"):
        read_results(path)


def test_results_come_back_with_odd_names(tmp_path: Path) -> None:
    path = tmp_path / "songs.results.jsonl"
    common = {"seconds": 1.0, "error": None, "warnings": (), "worker": "", "tries": 1}
    with open_results(path) as file:
        append_result(file, SongResult(source="a\u2028b.wav", target="c.wav", status="done", **common))
    assert read_results(path) == {("a\u2028b.wav", "c.wav"): "done"}
