import numpy as np
import pytest

from musicdenoise.audio import round_trip
from musicdenoise.errors import UnsupportedAudioError


@pytest.mark.parametrize("subtype", ["MPEG_LAYER_III", "VORBIS"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_round_trip_keeps_place_and_shape(subtype: str, channels: int) -> None:
    rng = np.random.default_rng(0)
    t = np.arange(50_001) / 44_100
    x = np.stack([0.2 * np.sin(2 * np.pi * (300 + 50 * c) * t + t**2 * 500) for c in range(channels)])
    x = (x + 0.01 * rng.standard_normal(x.shape)).astype(np.float32)
    before = x.copy()
    ratios = []
    for compression in (0.0, 0.7):
        y = round_trip(x, 44_100, subtype=subtype, compression=compression)
        assert y.shape == x.shape
        ratios.append(10 * np.log10(np.sum(x**2) / np.sum((x - y) ** 2)))
    assert ratios[0] > 15
    assert ratios[1] < ratios[0]
    assert np.array_equal(x, before)


def test_rates_that_a_codec_does_not_know() -> None:
    with pytest.raises(UnsupportedAudioError, match="12345 Hz"):
        round_trip(np.zeros((1, 100), dtype=np.float32), 12_345, subtype="MPEG_LAYER_III", compression=0.5)
