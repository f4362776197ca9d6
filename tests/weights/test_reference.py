"""The reference's .pth files: read as data, with its mask and without level scaling."""

import pickle
from pathlib import Path

import pytest
import torch

from musicdenoise.core.dcunet import DCUNet, DCUNetConfig
from musicdenoise.errors import WeightsError
from musicdenoise.weights.reference import load_reference


@pytest.fixture
def network() -> DCUNet:
    torch.manual_seed(1)
    return DCUNet(DCUNetConfig.of_complexity(2, mask="component", level_reach=0))


def save(path: Path, network: DCUNet) -> Path:
    """As the reference saves: its last decoder carries a norm that is never applied."""
    state = dict(network.state_dict())
    for part in ("real_b", "im_b"):
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"decoder9.cbn.{part}.{name}"] = torch.ones(1)
        state[f"decoder9.cbn.{part}.num_batches_tracked"] = torch.tensor(3)
    torch.save(state, path)
    return path


def test_complexity_and_mask_are_found(tmp_path: Path, network: DCUNet) -> None:
    loaded, metadata = load_reference(save(tmp_path / "dc20.pth", network))
    assert loaded.config == network.config == metadata.network
    assert (loaded.config.mask, loaded.config.level_reach) == ("component", 0)
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.to(loaded.state_dict()[name].dtype))


def test_other_files_are_refused(tmp_path: Path, network: DCUNet) -> None:
    with pytest.raises(WeightsError, match="no weights file"):
        load_reference(tmp_path / "nothing.pth")
    (tmp_path / "damaged.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match="cannot be read as a PyTorch state dict"):
        load_reference(tmp_path / "damaged.pth")
    torch.save({"layer": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="holds no weights of NoiseRemover"):
        load_reference(tmp_path / "other.pth")
    state = dict(network.state_dict())
    state["encoder3.cconv.real_conv.weight"] = torch.ones(1)
    torch.save(state, tmp_path / "bent.pth")
    with pytest.raises(WeightsError, match="does not fit the network"):
        load_reference(tmp_path / "bent.pth")


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("boom",)


def test_nothing_in_a_file_is_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bomb.pth").write_bytes(pickle.dumps(Bomb(), protocol=2))
    with pytest.raises(WeightsError):
        load_reference(tmp_path / "bomb.pth")
    assert "boom" not in capsys.readouterr().out
