from pathlib import Path

import pytest

from musicdenoise.denoising.plan import Job, picture_paths, plan_jobs
from musicdenoise.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "b_denoised.wav", "sub/c.mp3", "sub/notes.txt", ".hidden/d.wav"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def targets(*arguments) -> list[Path]:
    jobs, failures = plan_jobs(*arguments)
    assert not failures
    return [job.target for job in jobs]


def test_results_lie_beside_their_inputs(folder: Path) -> None:
    assert targets([folder / "a.wav"], None) == [folder / "a_denoised.wav"]
    assert targets([folder], None) == [folder / "a_denoised.wav", folder / "sub" / "c_denoised.mp3"]


def test_an_output_folder_mirrors_the_input_folder(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert targets([folder], out) == [out / "a_denoised.wav", out / "sub" / "c_denoised.mp3"]
    assert targets([folder / "sub" / "c.mp3"], out) == [out / "c_denoised.mp3"]


def test_an_output_file(folder: Path, tmp_path: Path) -> None:
    assert targets([folder / "a.wav"], tmp_path / "x.flac") == [tmp_path / "x.flac"]
    (tmp_path / "folder.wav").mkdir()
    assert targets([folder / "a.wav"], tmp_path / "folder.wav") == [
        tmp_path / "folder.wav" / "a_denoised.wav"
    ]
    with pytest.raises(UsageError, match="several inputs"):
        plan_jobs([folder / "a.wav", folder / "sub/c.mp3"], tmp_path / "x.flac")
    with pytest.raises(UsageError, match="several inputs"):
        plan_jobs([folder], tmp_path / "x.flac")


def test_missing_inputs_are_listed_and_the_others_planned(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    jobs, failures = plan_jobs([tmp_path / "no.wav", folder / "a.wav", tmp_path / "empty"], None)
    assert [job.source.name for job in jobs] == ["a.wav"]
    assert "no such file" in str(failures[0])
    assert "holds no audio" in str(failures[1])


def test_collisions_are_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "a.wav"
    other.parent.mkdir()
    other.touch()
    with pytest.raises(UsageError, match="would both be written"):
        plan_jobs([folder / "a.wav", other], tmp_path / "out")
    with pytest.raises(UsageError, match="replace its own input"):
        plan_jobs([folder / "a.wav"], folder / "a.wav")


def test_the_format_gives_the_suffix(folder: Path, tmp_path: Path) -> None:
    assert targets([folder], None, ".flac") == [
        folder / "a_denoised.flac",
        folder / "sub" / "c_denoised.flac",
    ]
    assert targets([folder / "a.wav"], tmp_path / "x.flac", ".flac") == [tmp_path / "x.flac"]
    with pytest.raises(UsageError, match=r"is no \.mp3 file"):
        plan_jobs([folder / "a.wav"], tmp_path / "x.flac", ".mp3")
    with pytest.raises(UsageError, match="stream of WAV"):
        plan_jobs([folder / "a.wav"], Path("-"), ".mp3")


def test_patterns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert targets([folder / "**" / "*.mp3"], None) == [folder / "sub" / "c_denoised.mp3"]
    assert targets([folder / "?.wav", folder / "sub" / "[a-c].mp3"], None) == [
        folder / "a_denoised.wav",
        folder / "sub" / "c_denoised.mp3",
    ]
    monkeypatch.chdir(folder)
    assert targets([Path("*/*.mp3")], None) == [Path("sub/c_denoised.mp3")]
    (folder / "x[1].wav").touch()
    assert targets([Path("x[1].wav")], None) == [Path("x[1]_denoised.wav")]
    jobs, failures = plan_jobs([Path("*.opus")], None)
    assert not jobs
    assert "*.opus: there is no such file" in str(failures[0])


def test_pictures_have_names_of_their_own(folder: Path) -> None:
    jobs, _ = plan_jobs([folder, folder / "sub" / "c.mp3"], folder / "out")
    jobs.append(Job(source=Path("elsewhere/c.wav"), target=Path("c.wav")))
    assert picture_paths(jobs, Path("r")) == [
        Path("r/a_report.png"),
        Path("r/sub/c_report.png"),
        Path("r/c_report.png"),
        Path("r/c_report-2.png"),
    ]
