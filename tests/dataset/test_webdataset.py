"""Datasets in shards: the pairs of a build as files, byte for byte, readable by WebDataset and by `train`."""

import gc
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dataset_trees import save, tune
from musicdenoise.audio import read_audio
from musicdenoise.cli.app import app
from musicdenoise.data.folders import load_pairs
from musicdenoise.data.manifest import PairRow
from musicdenoise.data.shards import _expand, dataset_folder
from musicdenoise.dataset import build as build_module
from musicdenoise.dataset.build import build_dataset, plan_build
from musicdenoise.dataset.config import BuildConfig
from musicdenoise.errors import DataError, UsageError

SECONDS = 2.5


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for split, count in (("train", 3), ("test", 1)):
        for number in range(count):
            save(folder / split / f"{number}.wav", tune(SECONDS, seed=10 * number + count))
    return folder


def build(songs: Path, out: Path, file_format: str = "webdataset", **options: object):
    settings = {"shard_megabytes": 1} if file_format == "webdataset" else {}
    config = BuildConfig(kind="white", songs=songs, file_format=file_format, seed=5, **settings)
    return build_dataset(plan_build(config, out), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def shards(songs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "out"
    summary = build(songs, out)
    assert summary.is_complete and dict(summary.pairs) == {"train": 3, "test": 1}
    return out


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def members(shard: Path) -> dict[str, bytes]:
    with tarfile.open(shard) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def test_shards_hold_the_pairs_of_a_build_as_files(tmp_path: Path, songs: Path, shards: Path) -> None:
    assert sorted(content(shards)) == [
        *("build.json", "test-000000.tar", "train-000000.tar", "train-000001.tar", "train-000002.tar")
    ]
    build(songs, tmp_path / "files", "flac")
    parts = {name: data for shard in shards.glob("*.tar") for name, data in members(shard).items()}
    rows = load_pairs(tmp_path / "files")
    assert len(parts) == 3 * len(rows)
    for row in rows:
        assert parts[f"{row.id}.input.flac"] == (tmp_path / "files" / row.input).read_bytes()
        assert parts[f"{row.id}.target.flac"] == (tmp_path / "files" / row.target).read_bytes()
        assert PairRow.from_json(parts[f"{row.id}.json"].decode()) == row
    with tarfile.open(shards / "train-000000.tar") as archive:
        assert {(member.mtime, member.uid, member.uname) for member in archive} == {(0, 0, "")}


def test_a_build_that_was_stopped_goes_on_to_the_same_bytes(
    tmp_path: Path, songs: Path, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    for step in ("pack", "remove_files"):  # before the shards, and before their files are removed
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(build_module, step, stop)
            build(songs, out, resume=step != "pack")
    assert build(songs, out, resume=True, jobs=2).is_complete
    assert content(out) == content(shards)
    with monkeypatch.context() as patch:
        patch.setattr(build_module, "_make_pairs", stop)  # nothing is left to do
        assert dict(build(songs, out, resume=True).pairs) == {"train": 3, "test": 1}
    assert content(out) == content(shards)
    with pytest.raises(DataError, match=r"is not empty; give resume"):
        build(songs, out)
    build(songs, out, "flac", force=True)
    assert not list(out.glob("*.tar"))


@pytest.mark.filterwarnings("ignore")  # it leaves files open
def test_the_library_webdataset_reads_them(shards: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    pattern = str(shards / "train-{000000..000002}.tar")
    samples = list(webdataset.WebDataset(pattern, shardshuffle=False))
    gc.collect()
    assert [sample["__key__"] for sample in samples] == ["train-S1N1", "train-S2N1", "train-S3N1"]
    for sample in samples:
        assert {"input.flac", "target.flac", "json"} <= set(sample)
        assert json.loads(sample["json"])["id"] == sample["__key__"]
        assert sample["input.flac"][:4] == b"fLaC"


def test_shards_become_a_dataset_again(tmp_path: Path, songs: Path, shards: Path) -> None:
    build(songs, tmp_path / "files", "flac")
    folder = dataset_folder(str(shards), tmp_path / "cache")
    ours, theirs = load_pairs(folder), load_pairs(tmp_path / "files")
    assert {row.id for row in ours} == {row.id for row in theirs}
    known = {row.id: row for row in theirs}
    for row in ours:
        other = known[row.id]
        assert (row.split, row.input_snr_db, row.seed) == (other.split, other.input_snr_db, other.seed)
        assert np.array_equal(
            read_audio(folder / row.input).samples, read_audio(tmp_path / "files" / other.input).samples
        )
        assert (row.clean is not None) == (row.split == "test")
    before = (folder / "manifest.jsonl").stat().st_mtime_ns
    assert dataset_folder(str(shards), tmp_path / "cache") == folder
    assert (folder / "manifest.jsonl").stat().st_mtime_ns == before, "unpacked twice"
    some = dataset_folder(f"{shards}/train-{{000001..000002}}.tar::{shards}/test-000000.tar", tmp_path)
    assert [row.id for row in load_pairs(some)] == ["train-S2N1", "train-S3N1", "test-S1N1"]
    assert dataset_folder(str(tmp_path / "files"), tmp_path) == tmp_path / "files"


def test_shards_at_an_address(tmp_path: Path, shards: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for shard in shards.glob("*.tar"):
        memory.pipe_file(f"/bucket/{shard.name}", shard.read_bytes())
    folder = dataset_folder("memory://bucket/train-{000000..000001}.tar", tmp_path)
    assert [row.id for row in load_pairs(folder)] == ["train-S1N1", "train-S2N1"]


def test_train_and_eval_read_shards(tmp_path: Path, shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSICDENOISE_CACHE", str(tmp_path / "cache"))
    sizes = ("--complexity", "1", "--batch-size", "2", "--segment-seconds", "1.2", "--device", "cpu")
    run = ("train", str(shards), "--out", str(tmp_path / "run"), "--steps", "1", *sizes)
    result = CliRunner().invoke(app, run)
    assert result.exit_code == 0, result.output
    weights = str(tmp_path / "run" / "best.safetensors")
    options = ("--weights", weights, "--json", "--metrics", "snr", "--workers", "1", "--device", "cpu")
    result = CliRunner().invoke(app, ["eval", str(shards), *options])
    assert result.exit_code == 0, result.output


def write_tar(path: Path, parts: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_a_pair_without_its_half_is_named_and_the_others_are_used(tmp_path: Path, shards: Path) -> None:
    parts = members(shards / "train-000000.tar") | members(shards / "train-000001.tar")
    del parts["train-S1N1.target.flac"]
    write_tar(tmp_path / "a.tar", parts | {"README": b"hello", "../../evil.json": b"{}"})
    for _ in range(2):  # also when it is in the cache
        told: list[str] = []
        folder = dataset_folder(str(tmp_path / "a.tar"), tmp_path / "cache", told.append)
        assert [row.id for row in load_pairs(folder)] == ["train-S2N1"]
        assert f"{tmp_path / 'a.tar'}: the pair train-S1N1 has no target.flac; it is left out" in told
        assert len(told) == 2
    assert not list(tmp_path.parent.glob("evil*"))
    write_tar(tmp_path / "b.tar", {"x.input.flac": b"fLaC"})
    with pytest.raises(DataError, match=r"no shard holds a whole pair: .*the pair x has no target.flac"):
        dataset_folder(str(tmp_path / "b.tar"), tmp_path / "cache")


def test_bad_shards_are_named(tmp_path: Path, shards: Path) -> None:
    whole = (shards / "train-000000.tar").read_bytes()
    cache = tmp_path / "cache"
    for name, data in (("cut.tar", whole[: len(whole) // 2]), ("junk.tar", b"junk" * 999), ("no.tar", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=rf"{name}: is not a whole tar file .*complete copy"):
            dataset_folder(str(tmp_path / name), cache)
    assert not list(cache.rglob("manifest.jsonl"))
    with pytest.raises(DataError, match=r"x\.tar: there is no such shard"):
        dataset_folder(str(tmp_path / "x.tar"), cache)
    write_tar(tmp_path / "row.tar", members(shards / "train-000000.tar") | {"train-S1N1.json": b'{"id": 7}'})
    with pytest.raises(DataError, match=r"row\.tar, train-S1N1\.json: .*build the shards again"):
        dataset_folder(str(tmp_path / "row.tar"), cache)
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(app, ["train", str(tmp_path / "empty"), "--steps", "1"])
    assert result.exit_code == 1
    assert "holds no dataset" in result.stderr


def test_sizes_that_lie_neither_fill_the_disk_nor_hang(tmp_path: Path) -> None:
    sparse = tarfile.TarInfo("x.input.flac")  # 512 bytes in the shard, a terabyte on the disk
    sparse.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(1 << 40)}
    sparse.pax_headers["GNU.sparse.map"] = "0,512"
    sparse.size = 512
    with tarfile.open(tmp_path / "sparse.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(sparse, io.BytesIO(bytes(512)))
    header = tarfile.TarInfo("x.input.flac")
    header.size = -512
    (tmp_path / "negative.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    header.size, header.type = 1 << 62, tarfile.XHDTYPE
    (tmp_path / "huge.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    for name in ("sparse.tar", "negative.tar", "huge.tar"):
        with pytest.raises(DataError, match=rf"{name}: is not a whole tar file"):
            dataset_folder(str(tmp_path / name), tmp_path / "cache")


@pytest.mark.parametrize("pattern", ["a-{5..3}.tar", "{0..99999}{0..99999}.tar"])
def test_ranges_that_make_no_sense_are_named(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(DataError, match=r"a range in braces goes up"):
        dataset_folder(pattern, tmp_path)


def test_ranges_in_braces() -> None:
    assert _expand("a-{08..10}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar"]
    assert _expand("{0..1}/{2..3}") == ["0/2", "0/3", "1/2", "1/3"]
    assert _expand("plain.tar") == ["plain.tar"]


def test_wrong_usage(tmp_path: Path, songs: Path) -> None:
    with pytest.raises(UsageError, match=r"shard_megabytes is 0; it must be at least 1"):
        BuildConfig(kind="white", file_format="webdataset", shard_megabytes=0)
    config = BuildConfig(kind="white", songs=songs, file_format="webdataset")
    with pytest.raises(UsageError, match=r"leave input_dir and target_dir out"):
        plan_build(config, tmp_path, tmp_path / "in", tmp_path / "out")
