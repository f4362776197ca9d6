import os
import sys
from pathlib import Path

import pytest

from musicdenoise.denoising.plan import plan_jobs
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
    assert "no such file" in str(failures[0][1])
    assert failures[0][0] == tmp_path / "no.wav"
    assert "holds no audio" in str(failures[1][1])


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
    with pytest.raises(UsageError, match=r"is not a \.mp3 file"):
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
    assert "*.opus: there is no such file" in str(failures[0][1])


def test_patterns_mirror_the_folders_below_their_fixed_part(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (folder / "sub" / "a.wav").touch()
    expected = [out / "a_denoised.wav", out / "sub" / "a_denoised.wav"]
    assert targets([folder / "**" / "*.wav"], out) == expected
    assert targets([folder / ".h*" / "*.wav"], out) == [out / ".hidden" / "d_denoised.wav"]
    assert targets([tmp_path / "i*" / "**" / "a.wav"], out) == [
        out / "in" / "a_denoised.wav",
        out / "in" / "sub" / "a_denoised.wav",
    ]
    # Folders that fit stand for their songs, each once, though "**" fits the folders in them, too.
    assert targets([folder / "**"], out) == [*expected, out / "sub" / "c_denoised.mp3"]
    assert targets([folder / "sub" / "*.mp3"], out) == [out / "c_denoised.mp3"]


def test_patterns_pass_over_results_unless_they_name_them(folder: Path) -> None:
    (folder / "a_residual.wav").touch()
    assert targets([folder / "*.wav"], None) == [folder / "a_denoised.wav"]
    assert targets([folder / "*_denoised.wav"], None) == [folder / "b_denoised_denoised.wav"]
    assert targets([folder / "b_denoised.wav"], None) == [folder / "b_denoised_denoised.wav"]
    jobs, failures = plan_jobs([folder / "[b]*.wav"], None)
    assert not jobs
    assert "only results of earlier runs" in str(failures[0][1])


def test_patterns_that_are_none(folder: Path) -> None:
    if sys.version_info >= (3, 13):
        pytest.skip("this Python takes ** everywhere")
    with pytest.raises(UsageError, match=r"su\*\*/c.mp3 makes no sense"):
        plan_jobs([folder / "su**" / "c.mp3"], None)


def test_no_output_replaces_an_input_of_the_run(folder: Path) -> None:
    song = folder / "a.wav"
    for name in ("a_denoised.wav", "a_residual.wav"):
        (folder / name).touch()
        for inputs in ([song, folder / name], [folder / name, song]):
            with pytest.raises(UsageError, match=rf"{name} of .*a\.wav is an input, too"):
                plan_jobs(inputs, None, residuals=True)
    assert len(targets([song, folder / "a_residual.wav"], None)) == 2  # no residual is written
    (folder / "sub" / "a_denoised.wav").symlink_to(folder / "a_denoised.wav")
    with pytest.raises(UsageError, match="is an input, too"):
        plan_jobs([song, folder / "a_denoised.wav"], folder / "sub")
    picture = folder / "a_report.png"
    picture.touch()
    with pytest.raises(UsageError, match=r"a_report\.png of .* is an input, too"):
        plan_jobs([song, picture], None, pictures=folder)


def test_a_format_that_is_only_read_gets_its_successors_suffix(folder: Path) -> None:
    (folder / "r.AAC").touch()
    assert targets([folder / "r.AAC"], None) == [folder / "r_denoised.m4a"]
    assert targets([folder / "r.AAC"], None, ".wav") == [folder / "r_denoised.wav"]
    (folder / "r.m4a").touch()
    with pytest.raises(UsageError, match=r"would both be written to .*r_denoised\.m4a"):
        plan_jobs([folder], None)
    with pytest.raises(UsageError, match=r"\.aac is only read; name it \.m4a"):
        plan_jobs([folder / "a.wav"], folder / "out.aac")


def test_outputs_that_can_be_neither_file_nor_folder(folder: Path, tmp_path: Path) -> None:
    song = folder / "a.wav"
    with pytest.raises(
        UsageError, match=r"suffix \.mpp3, which is not a known format: use .*\.flac.*make it first"
    ):
        plan_jobs([song], tmp_path / "out.mpp3")
    (tmp_path / "out.mpp3").mkdir()
    assert targets([song], tmp_path / "out.mpp3") == [tmp_path / "out.mpp3" / "a_denoised.wav"]
    for name in ("v1.5", "vol. 2", "St. Anger", "plain"):
        assert targets([song], tmp_path / name) == [tmp_path / name / "a_denoised.wav"]
    assert len(targets([folder], tmp_path / "album.final")) == 2
    for output in (Path("/dev/null"), folder / "sub" / "notes.txt"):
        with pytest.raises(UsageError, match="is not a folder, and its name says no format"):
            plan_jobs([song], output)
    with pytest.raises(UsageError, match="is a file: give a folder"):
        plan_jobs([song], None, pictures=folder / "sub" / "notes.txt")


def test_folders_that_cannot_be_read_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = folder / "locked"
    locked.mkdir()
    scan = os.scandir

    def scandir(path: str | Path):
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    for given in (folder, folder.parent / "i*", folder / "**" / "*.[wm]*"):
        jobs, failures = plan_jobs([given], None)
        assert [job.source.name for job in jobs] == ["a.wav", "c.mp3"]
        ((path, error),) = failures
        assert path == locked
        assert str(error) == f"{locked}: cannot be read: Permission denied; its songs are left out"
    jobs, failures = plan_jobs([locked], None)
    assert [path for path, _ in failures] == [locked]


def test_links_to_folders_elsewhere_are_followed_once(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "more").mkdir(parents=True)
    (elsewhere / "more" / "d.wav").touch()
    for link, leads_to in (
        (folder / "link", elsewhere),
        (folder / "link again", elsewhere / "more"),
        (elsewhere / "round", elsewhere),
        (elsewhere / "back", folder),
        (folder / "inside", folder / "sub"),
    ):
        link.symlink_to(leads_to, target_is_directory=True)
    jobs, failures = plan_jobs([folder], tmp_path / "out")
    assert not failures
    songs = [job.source.relative_to(folder).as_posix() for job in jobs]
    assert songs == ["a.wav", "link/more/d.wav", "sub/c.mp3"]
    assert jobs[1].target == tmp_path / "out" / "link" / "more" / "d_denoised.wav"


def test_what_a_job_writes(folder: Path) -> None:
    ((job,), _) = plan_jobs([folder / "a.wav"], None)
    assert job.outputs == (folder / "a_denoised.wav",)
    ((job,), _) = plan_jobs([folder / "a.wav"], folder / "x.flac", residuals=True, pictures=Path("r"))
    assert job.outputs == (folder / "x.flac", folder / "x_residual.flac", Path("r/a_report.png"))
    ((job,), _) = plan_jobs([Path("-")], None, pictures=Path("r"))
    assert job.outputs == (Path("r/stdin_report.png"),)


def test_pictures_have_names_of_their_own(folder: Path) -> None:
    (folder / "a.flac").touch()
    jobs, _ = plan_jobs([folder, folder / "sub" / "c.mp3"], folder / "out", pictures=Path("r"))
    assert [job.picture for job in jobs] == [
        Path("r/a_report.png"),
        Path("r/a_report-2.png"),
        Path("r/sub/c_report.png"),
        Path("r/c_report.png"),
    ]


def test_previews_have_names_of_their_own(folder: Path, tmp_path: Path) -> None:
    (folder / "a_preview.wav").touch()
    (folder / "a_preview_residual.wav").touch()
    jobs, failures = plan_jobs([folder], None, residuals=True, pictures=tmp_path, previews=True)
    assert not failures
    assert [path.name for job in jobs for path in job.outputs] == [
        *("a_preview.wav", "a_preview_residual.wav", "a_preview_report.png"),
        *("c_preview.mp3", "c_preview_residual.mp3", "c_preview_report.png"),
    ]
    assert targets([folder / "*.wav"], None) == [folder / "a_denoised.wav"]
    assert targets([folder / "*_preview.wav"], None) == [folder / "a_preview_denoised.wav"]
    jobs, _ = plan_jobs([folder / "a.wav"], tmp_path / "x.flac", previews=True)
    assert jobs[0].target == tmp_path / "x.flac"
