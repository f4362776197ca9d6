import json
import runpy
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import musicdenoise
from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.core.fine_net import FineNet, FineNetConfig
from musicdenoise.core.fine_unet import FINE_STFT
from musicdenoise.core.stft import StftConfig
from musicdenoise.errors import WeightsError
from musicdenoise.weights.checkpoint import (
    CheckpointMetadata,
    load_weights,
    save_weights,
)
from musicdenoise.weights.index import default_weights, load_aliases, load_index, read_aliases, read_index
from musicdenoise.weights.store import resolve_weights

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "examples" / "publish_network.py"))
publish, publish_aliases = EXAMPLE["publish"], EXAMPLE["publish_aliases"]
METADATA = CheckpointMetadata(
    network=DCUNetConfig.mini(mask="component", level_reach=7, compressions=(0.3,)),
    stft=StftConfig(),
    noise_kind="siren",
    data={"songs": 3},
    metrics={"snr_improvement_db": 1.25},
    licence="CC0-1.0",
)


@pytest.fixture
def network() -> DCUNet:
    torch.manual_seed(0)
    return DCUNet(METADATA.network)


def test_saved_weights_come_back_bit_for_bit(tmp_path: Path, network: DCUNet) -> None:
    path = tmp_path / "deep" / "x.safetensors"
    save_weights(path, network.state_dict(), METADATA)
    loaded, metadata = load_weights(path)
    assert metadata == METADATA
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert [file.name for file in path.parent.iterdir()] == ["x.safetensors"]


def test_both_families_come_back_bit_for_bit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "x.safetensors"
    fine = FineNet(FineNetConfig.mini())
    metadata = replace(METADATA, network=fine.config, stft=FINE_STFT)
    save_weights(path, fine.state_dict(), metadata)
    loaded, read = load_weights(path)
    assert read == metadata
    assert isinstance(loaded, FineNet)
    for name, tensor in fine.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    noisy = torch.randn(1, 1, 44_100)
    with torch.no_grad():
        assert torch.equal(loaded.denoise(noisy), fine.eval().denoise(noisy))


def test_unknown_families_are_refused() -> None:
    document = json.loads(METADATA.to_json())
    assert "family" not in document["network"], "earlier versions could not read it"
    document["network"]["family"] = "magic"
    with pytest.raises(WeightsError, match=r"family 'magic'.*newer version"):
        CheckpointMetadata.from_json(json.dumps(document))
    document["network"] = {"family": "fine", "spectrum_width": "8"}
    with pytest.raises(WeightsError, match="spectrum_width is '8'"):
        CheckpointMetadata.from_json(json.dumps(document))


def test_damaged_files_are_refused(tmp_path: Path, network: DCUNet) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(WeightsError, match="there is no weights file"):
        load_weights(path)
    save_weights(path, network.state_dict(), METADATA)
    content = path.read_bytes()
    for damaged in (b"", b"<html>not found</html>", content[:1000], content[:-10]):
        path.write_bytes(damaged)
        with pytest.raises(WeightsError, match="damaged"):
            load_weights(path)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="not one of musicdenoise"):
        load_weights(path)


def test_weights_of_another_network_are_refused(tmp_path: Path, network: DCUNet) -> None:
    path = tmp_path / "x.safetensors"
    save_weights(path, network.state_dict(), replace(METADATA, network=DCUNetConfig.of_complexity(2)))
    with pytest.raises(WeightsError, match="does not fit the network it describes"):
        load_weights(path)


def test_a_newer_format_is_refused() -> None:
    fields = json.loads(METADATA.to_json())
    with pytest.raises(WeightsError, match="format version 2"):
        CheckpointMetadata.from_json(json.dumps({**fields, "format_version": 2}))
    del fields["stft"]
    with pytest.raises(WeightsError, match="stft"):
        CheckpointMetadata.from_json(json.dumps(fields))
    with pytest.raises(WeightsError, match="cannot be understood"):
        CheckpointMetadata.from_json("{")


def test_publishing_enters_the_index(tmp_path: Path, network: DCUNet) -> None:
    source, folder = tmp_path / "best.safetensors", tmp_path / "pretrained"
    save_weights(source, network.state_dict(), METADATA)
    publish(source, "other", folder)
    entry = publish(source, "siren", folder, metrics={"measured_db": 2.0})
    assert entry == publish(source, "siren", folder, metrics={"measured_db": 2.0})
    names = [entry.name for entry in read_index((folder / "index.json").read_text())]
    assert names == ["other", "siren"]
    assert entry.metrics == {"snr_improvement_db": 1.25, "measured_db": 2.0}
    stored, _ = load_weights(folder / entry.file)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(stored.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)
    assert (folder / entry.file).stat().st_size < source.stat().st_size


def test_the_index_is_in_the_order_of_the_kinds(tmp_path: Path, network: DCUNet) -> None:
    source = tmp_path / "best.safetensors"
    for kind in ("siren", "white", "car_horn", "mixed"):
        save_weights(source, network.state_dict(), replace(METADATA, noise_kind=kind))
        publish(source, kind, tmp_path)
    names = [entry.name for entry in read_index((tmp_path / "index.json").read_text())]
    assert names == ["mixed", "white", "car_horn", "siren"]


def test_a_damaged_index_is_refused() -> None:
    for text in ("", "[]", '{"networks": [{}]}'):
        with pytest.raises(WeightsError, match="index of pretrained weights is damaged"):
            read_index(text)


def test_every_pretrained_network_loads_and_is_what_the_index_says() -> None:
    from hashlib import sha256

    assert load_index()[0].name == default_weights()
    for entry in (entry for entry in load_index() if entry.sha256 is not None):
        path = resolve_weights(entry.name).path
        assert path.stat().st_size == entry.size_bytes
        assert sha256(path.read_bytes()).hexdigest() == entry.sha256
        _, metadata = load_weights(path)
        assert metadata.noise_kind == entry.noise_kind
        assert metadata.licence == entry.licence != "unknown"
        assert metadata.training["steps"] > 0


def test_aliases(tmp_path: Path, mini_weights: Path) -> None:
    publish(mini_weights, "mixed", tmp_path)
    publish_aliases({"siren": "mixed"}, tmp_path)
    publish(mini_weights, "white", tmp_path)
    text = (tmp_path / "index.json").read_text(encoding="utf-8")
    assert read_aliases(text) == {"siren": "mixed"}
    for wrong in ({"siren": "purple"}, {"white": "mixed"}):
        with pytest.raises(WeightsError, match=r"damaged \(aliases "):
            publish_aliases(wrong, tmp_path)
    publish(mini_weights, "siren", tmp_path)
    text = (tmp_path / "index.json").read_text(encoding="utf-8")
    assert read_aliases(text) == {}
    assert {entry.name for entry in read_index(text)} == {"mixed", "white", "siren"}


def test_aliases_lead_to_their_networks() -> None:
    for alias, name in load_aliases().items():
        assert resolve_weights(alias).name == name


def test_names_and_paths(mini_weights: Path, tmp_path: Path) -> None:
    assert resolve_weights(mini_weights).path == mini_weights
    assert resolve_weights(str(mini_weights)).name == "mini.safetensors"
    with pytest.raises(WeightsError, match="no pretrained weights named 'purple': choose"):
        resolve_weights("purple")
    for missing in (tmp_path / "x", "x.safetensors", "./x"):
        with pytest.raises(WeightsError, match="there is no weights file"):
            resolve_weights(missing)


def test_the_public_loader_takes_names_and_paths(mini_weights: Path) -> None:
    assert musicdenoise.load_weights("white")[1].noise_kind == "white"
    assert musicdenoise.load_weights(mini_weights)[1] == load_weights(mini_weights)[1]
    assert musicdenoise.load_weights(str(mini_weights))[1] == load_weights(mini_weights)[1]
    with pytest.raises(WeightsError, match="no pretrained weights named 'x'"):
        musicdenoise.load_weights("x")


def test_the_version_is_that_of_the_package() -> None:
    assert musicdenoise.__version__ == version("musicdenoise")
