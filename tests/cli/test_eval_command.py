"""``musicdenoise eval`` from the command line alone."""

import csv
import importlib.util
import json
import os
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from musicdenoise.cli.app import app
from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.data.manifest import PairRow, write_manifest


@pytest.fixture
def folders(tmp_path: Path, write_wav, tune, noisy_tune) -> list[Path]:
    for number in range(2):
        part = slice(number * 60_000, number * 60_000 + 40_000)
        write_wav(f"noisy/song{number}.wav", noisy_tune[:, part], subtype="FLOAT")
        write_wav(f"clean/song{number}.wav", tune[:, part], subtype="FLOAT")
    return [tmp_path / "noisy", tmp_path / "clean"]


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["eval", *map(str, arguments), "--device", "cpu", "--workers", "0"])


def test_an_evaluation_and_its_folder(tmp_path: Path, folders: list[Path], mini_weights: Path) -> None:
    torch.save(DCUNet(DCUNetConfig.mini()).state_dict(), tmp_path / "dc20.pth")
    out = tmp_path / "out"
    arguments = [*folders, "--weights", mini_weights, "--weights", f"reference:{tmp_path / 'dc20.pth'}"]
    arguments += ["--baselines", "identity,oracle", "--metrics", "snr,lsd", "--out", out]
    arguments += ["--samples", 1, "--sample-seconds", 0.5]
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    assert "oracle" in result.stdout
    document = json.loads((out / "metrics.json").read_text())
    names = [system["name"] for system in document["systems"]]
    assert (names[0], names[2], names[3]) == ("identity", "reference:dc20", "oracle")
    assert names[1].endswith("/mini")
    assert len(document["systems"][1]["sha256"]) == len(document["data"]["sha256"]) == 64
    assert document["command"][0] == "musicdenoise"
    assert document["versions"].keys() >= {"musicdenoise", "torch"}
    assert len(document["rows"]) == 8
    gains = [row["values"]["snr_improvement_db"] for row in document["rows"] if row["system"] == "oracle"]
    stats = document["aggregates"]["all"]["oracle"]["snr_improvement_db"]
    assert stats["mean"] == pytest.approx(sum(gains) / 2)
    assert stats["low"] <= stats["mean"] <= stats["high"]
    assert document["aggregates"]["by_noise_kind"]["oracle"]["unknown"]["snr_db"]["count"] == 2
    with (out / "metrics.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["system"] for row in table[:4]] == names
    assert float(table[3]["snr_improvement_db"]) == pytest.approx(gains[0], abs=1e-3)
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert found >= {"report.html", "plots/snr.png", "plots/snr_improvement.png", "samples/01/clean.wav"}
    assert sum(name.startswith("plots/sample_01_") for name in found) == 3
    assert sum(name.endswith("_residual.wav") for name in found) == 2
    assert not [name for name in found if ".part" in name]
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "--force" in result.stderr


def test_without_the_speech_packages_their_columns_are_missing(
    folders: list[Path], mini_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name in ("pesq", "pystoi") else find(name)
    )
    result = invoke(*folders, "--weights", mini_weights, "--baselines", "none")
    assert "Without PESQ-WB, PESQ-NB, STOI: pip install 'musicdenoise[eval]' adds them" in result.stderr
    assert "SI-SDR" in result.stdout
    assert "STOI" not in result.stdout


def test_a_folder_that_cannot_be_is_told_before_all_is_measured(
    tmp_path: Path, folders: list[Path], mini_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musicdenoise.cli.evaluate._measure", lambda *_, **__: pytest.fail("measured"))
    (tmp_path / "taken").write_text("")
    result = invoke(*folders, "--weights", mini_weights, "--metrics", "snr", "--out", tmp_path / "taken")
    assert result.exit_code == 1
    assert "taken: cannot be made" in result.stderr


def test_the_automatic_choice_is_measured_like_a_network(tmp_path: Path, folders: list[Path]) -> None:
    out = tmp_path / "out"
    for stale in ("samples/02/auto.wav", "plots/sample_02_auto.png", "samples/mine.txt"):
        (out / stale).parent.mkdir(parents=True, exist_ok=True)
        (out / stale).touch()
    options = ("--weights", "auto", "--baselines", "none", "--metrics", "snr", "--json", "--out", out)
    result = invoke(*folders, *options, "--samples", 1, "--sample-seconds", 0.3)
    assert result.exit_code == 0, result.output
    samples = {path.relative_to(out / "samples").as_posix() for path in (out / "samples").rglob("*.*")}
    expected = {f"01/{name}.wav" for name in ("auto", "auto_residual", "clean", "noisy")}
    assert samples == {*expected, "mine.txt"}
    assert not (out / "plots" / "sample_02_auto.png").exists()
    document = json.loads(result.stdout)
    assert [(system["name"], system["sha256"]) for system in document["systems"]] == [("auto", None)]
    assert len(document["rows"]) == 2


def test_each_kind_of_noise_is_measured_with_its_own_network(tmp_path: Path, folders: list[Path]) -> None:
    rows = [
        PairRow(
            id=kind,
            split="test",
            input=f"noisy/song{number}.wav",
            target=f"clean/song{number}.wav",
            clean=f"clean/song{number}.wav",
            input_noise=kind,
            sample_rate=44_100,
            num_samples=40_000,
        )
        for number, kind in enumerate(("white", "rain"))
    ]
    write_manifest(tmp_path, rows)
    networks = ("--weights", "own", "--weights", "white", "--weights", "mixed")
    result = invoke(tmp_path, *networks, "--baselines", "none", "--metrics", "snr", "--json")
    assert result.exit_code == 0, result.output
    measured = {
        (row["system"], row["item"]): row["values"]["snr_db"] for row in json.loads(result.stdout)["rows"]
    }
    assert measured["own", "white"] == measured["white", "white"] != measured["mixed", "white"]
    assert measured["own", "rain"] == measured["mixed", "rain"] != measured["white", "rain"]


def test_a_noise_sample_has_columns_of_its_own(folders: list[Path], write_wav, tune, noisy_tune) -> None:
    for name, wave in (("noisy", noisy_tune), ("clean", tune)):
        write_wav(f"{name}/long.wav", wave[:, :70_000], subtype="FLOAT")
    options = (
        "--weights",
        "white",
        "--weights",
        "none",
        "--baselines",
        "identity,oracle",
        "--metrics",
        "snr",
    )
    result = invoke(*folders, *options, "--noise-sample", 0.4, "--json")
    assert result.exit_code == 1  # two items of 0.9 s
    assert result.stderr.count("with a noise sample of 0.4 s it must have at least 1.4 s") == 2
    document = json.loads(result.stdout)
    assert document["noise_sample_seconds"] == 0.4
    gains = {row["system"]: row["values"]["snr_improvement_db"] for row in document["rows"]}
    assert list(gains) == ["identity", "white", "white + sample", "none", "none + sample", "oracle"]
    assert gains["none"] == gains["identity"] == 0.0
    assert gains["none + sample"] > 1.0
    assert gains["white"] != gains["white + sample"]
    digests = {system["name"]: system["sha256"] for system in document["systems"]}
    assert digests["white"] == digests["white + sample"]
    result = invoke(*folders, "--baselines", "noisered", "--metrics", "snr")
    assert result.exit_code == 2
    assert "noisered needs a sample of the noise" in result.stderr
    assert invoke(*folders, "--noise-sample", 0.01).exit_code == 2


def test_the_gate_is_measured_unless_it_is_switched_off(folders: list[Path], write_wav, tune) -> None:
    for folder in folders:
        for number in range(2):
            (folder / f"song{number}.wav").unlink()
    noise = 1e-5 * torch.randn(2, 40_000, generator=torch.Generator().manual_seed(1))
    write_wav("noisy/nearly_clean.wav", torch.as_tensor(tune[:, :40_000]) + noise, subtype="FLOAT")
    write_wav("clean/nearly_clean.wav", tune[:, :40_000], subtype="FLOAT")
    options = ("--weights", "white", "--baselines", "none", "--metrics", "snr", "--json")
    documents = [json.loads(invoke(*folders, *options, *more).stdout) for more in ((), ("--always",))]
    assert [document["gate"] for document in documents] == [True, False]
    gated, always = (document["rows"][0]["values"]["snr_improvement_db"] for document in documents)
    assert gated == 0.0 != always


def test_json_on_stdout_and_datasets(tmp_path: Path, folders: list[Path], mini_weights: Path) -> None:
    rows = [
        PairRow(
            id=f"test-{number}",
            split="test",
            input=f"noisy/song{number}.wav",
            target=f"clean/song{number}.wav",
            clean=f"clean/song{number}.wav",
            input_noise="white",
            sample_rate=44_100,
            num_samples=40_000,
        )
        for number in range(2)
    ]
    write_manifest(tmp_path, rows)
    options = ("--baselines", "identity", "--metrics", "snr", "--weights", mini_weights)
    result = invoke(tmp_path, *options, "--limit", 1, "--json")
    document = json.loads(result.stdout)
    assert [row["item"] for row in document["rows"]] == ["test-0"] * 2
    assert document["rows"][0]["noise_kind"] == "white"
    result = invoke(tmp_path, "--split", "train")
    assert result.exit_code == 1
    assert "holds no train pairs with clean music" in result.stderr


def test_a_broken_item_fails_the_command_and_nothing_else(folders: list[Path], mini_weights: Path) -> None:
    (folders[0] / "song1.wav").write_bytes(b"RIFF")
    options = ("--baselines", "identity", "--metrics", "snr", "--weights", mini_weights)
    result = invoke(*folders, *options)
    assert result.exit_code == 1
    assert "error: song1: " in result.stderr
    assert "Means over 1 items" in result.stdout


def test_an_item_that_is_gone_fails_the_command_and_nothing_else(
    tmp_path: Path, folders: list[Path], mini_weights: Path
) -> None:
    rows = [
        PairRow(
            id=f"test-{number}",
            split="test",
            input=f"noisy/song{number}.wav",
            target=f"clean/song{number}.wav",
            clean=f"clean/song{number}.wav",
            sample_rate=44_100,
            num_samples=40_000,
        )
        for number in range(3)
    ]
    write_manifest(tmp_path, rows)
    options = ("--baselines", "identity", "--metrics", "snr", "--weights", mini_weights)
    result = invoke(tmp_path, *options, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "error: test-2: " in result.stderr
    assert len(json.loads((tmp_path / "out" / "metrics.json").read_text())["rows"]) == 4


def test_names_that_are_no_text(folders: list[Path], mini_weights: Path) -> None:
    for folder in folders:
        (folder / "song0.wav").rename(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.wav"))
    options = ("--baselines", "identity", "--metrics", "snr", "--weights", mini_weights)
    result = invoke(*folders, *options)
    assert result.exit_code == 0, result.output


def test_an_item_shorter_than_the_frames_of_the_baselines(
    folders: list[Path], mini_weights: Path, write_wav, noisy_tune, tune
) -> None:
    pytest.importorskip("noisereduce")
    write_wav("noisy/short.wav", noisy_tune[:, 60_000:60_700], subtype="FLOAT")
    write_wav("clean/short.wav", tune[:, 60_000:60_700], subtype="FLOAT")
    result = invoke(*folders, "--baselines", "noisereduce", "--metrics", "snr", "--weights", mini_weights)
    assert result.exit_code == 0, result.output


def test_wrong_usage(tmp_path: Path, folders: list[Path], mini_weights: Path, write_wav, tune) -> None:
    assert "there is no such folder" in invoke(tmp_path / "nowhere").stderr
    assert invoke(*folders, "--metrics", "visqol").exit_code == 2
    assert invoke(*folders, "--baselines", "magic").exit_code == 2
    assert "split" in invoke(*folders, "--split", "half").stderr
    assert "there is no weights file" in invoke(*folders, "--weights", "nothing.safetensors").stderr
    (folders[1] / "song1.wav").rename(folders[1] / "other.wav")
    result = invoke(*folders)
    assert result.exit_code == 1
    assert "2 file(s)" in result.stderr
    assert "song1.wav" in result.stderr
    (folders[1] / "other.wav").unlink()
    write_wav("clean/song1.wav", tune[:, :100])
    options = ("--baselines", "identity", "--metrics", "snr", "--weights", mini_weights)
    result = invoke(*folders, *options)
    assert result.exit_code == 1
    assert "40000 samples" in result.stderr
    assert "100 in 2" in result.stderr
