"""Train the network that tells noise from people (`musicdenoise.core.crowds`).

    python tests/benchmarks/fit_crowds.py --noises NOISES [FOLDER ...] --out OUT.safetensors \
        [--examples 12000] [--rows FILE]

Stretches of 0.6 to 4 s, half of them noise (machines, weather, water, hiss, hum) and half people (crowds,
children, street music, applause): a kind is drawn, then a source, then one of its recordings. They are played
at 0.74 to 1.5 times their speed, through random equalisers and rooms, with hiss behind them, with slow
swells, and a quarter of them two at a time. The rows are measured once, and kept in a file if one is given.
"""

import argparse
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from noise_mixes import _claps, _rms, _synthesised
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy.signal import resample_poly
from torch.nn import functional as F

from musicdenoise.audio import read_audio
from musicdenoise.core.crowds import CrowdNet
from musicdenoise.data.catalogue import find_noises
from musicdenoise.denoising.voicing import VoicingMeter, voicing_figures

RATE = 44_100
NOISES = {
    "air_conditioner": 3.0, "engine_idling": 3.0, "hum_appliance": 2.0, "rain": 2.0, "room_tone": 1.0,
    "wind": 1.0, "water": 1.0, "traffic": 1.0, "machine": 1.0, "synthesised": 1.0, "drilling": 0.5,
    "jackhammer": 0.5, "nature": 0.5, "hiss": 0.3,
}  # fmt: skip
PEOPLE = {"children_playing": 3.0, "street_music": 2.0, "crowd_babble": 2.0, "speech": 1.0, "claps": 1.5}
BATCH, STEPS, LEARNING_RATE, WEIGHT_DECAY, SMOOTHING, JITTER = 128, 3000, 3e-3, 0.05, 0.02, 0.15

Wave = NDArray[np.floating]
Rng = np.random.Generator


class Sounds:
    """Recordings by kind and source, altered at random."""

    def __init__(self, folders: list[Path], rng: Rng) -> None:
        self.rng, self.waves = rng, {}
        self.sources: dict[str, dict[str, list[Path]]] = {}
        for noise in (noise for folder in folders for noise in find_noises(folder, "mixed")):
            if noise.label in NOISES or noise.label in PEOPLE:
                source = noise.path.stem.split("-")[0] if noise.path.stem[0].isdigit() else noise.path.stem
                self.sources.setdefault(noise.label, {}).setdefault(source, []).append(noise.path)

    def figures(self, *, is_noise: bool) -> NDArray[np.float32] | None:
        """Of one example; None if it is silent."""
        rng, kinds = self.rng, NOISES if is_noise else PEOPLE
        count = int(RATE * np.exp(rng.uniform(np.log(0.6), np.log(4.0))))
        wave = self._draw(kinds, count)
        if rng.random() < 0.25:
            wave = wave + self._draw(kinds, count) * 10.0 ** (rng.uniform(-14.0, 0.0) / 20.0)
        if not is_noise and rng.random() < 0.15:
            wave = wave + self._draw(NOISES, count) * 10.0 ** (rng.uniform(-30.0, -6.0) / 20.0)
        if rng.random() < 0.6:
            wave = self._equalised(wave)
        if rng.random() < 0.3:
            wave = self._in_a_room(wave)
        if rng.random() < 0.3:
            wave = wave / _rms(wave) + 10.0 ** (rng.uniform(-45.0, -12.0) / 20.0) * self._hiss(count)
        if rng.random() < 0.3:
            swell = np.interp(np.arange(count), np.linspace(0, count, 4), rng.normal(0.0, 2.5, 4))
            wave = wave * 10.0 ** (swell / 20.0)
        if not np.isfinite(wave).all() or _rms(wave) < 1e-6:
            return None
        meter = VoicingMeter(RATE)
        meter.push((0.1 * wave / _rms(wave))[None].astype(np.float32))
        return voicing_figures(meter.finish()[1:])

    def _draw(self, kinds: dict[str, float], count: int) -> Wave:
        """One sound, at a mean square of 1."""
        rng = self.rng
        known = {
            kind: kinds[kind] for kind in kinds if kind in self.sources or kind in ("synthesised", "claps")
        }
        kind = rng.choice(list(known), p=np.array(list(known.values())) / sum(known.values()))
        if kind == "synthesised":
            return self._hiss(count)
        if kind == "claps":
            rate, people = 10.0 ** rng.uniform(0.8, 3.3), int(rng.integers(2, 60))
            return _claps((1, count), RATE, rate, people, rng)[0]
        sources = list(self.sources[kind].values())
        paths = sources[rng.integers(len(sources))]
        wave = self._read(paths[rng.integers(len(paths))])
        speed = np.exp(rng.uniform(-0.3, 0.4)) if rng.random() < 0.7 else 1.0
        needed = int(count * speed) + 2
        if len(wave) < needed:
            wave = np.resize(np.roll(wave, rng.integers(len(wave))), needed)
        first = rng.integers(len(wave) - needed + 1)
        wave = np.interp(np.arange(count) * speed, np.arange(needed), wave[first : first + needed])
        return wave / _rms(wave)

    def _read(self, path: Path) -> Wave:
        if path not in self.waves:
            audio = read_audio(path)
            wave = audio.samples.mean(axis=0)[: 60 * audio.sample_rate]
            ratio = Fraction(RATE, audio.sample_rate)
            self.waves[path] = resample_poly(wave, ratio.numerator, ratio.denominator).astype(np.float32)
        return self.waves[path]

    def _hiss(self, count: int) -> Wave:
        kind = ("white", "pink", "tape", "hum")[self.rng.integers(4)]
        return _synthesised(kind, (1, count), RATE, self.rng)[0]

    def _equalised(self, wave: Wave) -> Wave:
        hz = np.maximum(np.fft.rfftfreq(len(wave), 1.0 / RATE), 20.0)
        corners = np.log([30.0, 90.0, 200.0, 450.0, 1000.0, 2200.0, 5000.0, 11_000.0, 20_000.0])
        gain_db = np.interp(np.log(hz), corners, self.rng.normal(0.0, 3.5, len(corners)))
        return np.fft.irfft(np.fft.rfft(wave) * 10.0 ** (gain_db / 20.0), len(wave))

    def _in_a_room(self, wave: Wave) -> Wave:
        rng, length = self.rng, int(0.3 * RATE)
        decay = np.exp(-np.arange(length) / RATE / rng.uniform(0.02, 0.12))
        room = rng.standard_normal(length) * decay * rng.uniform(0.02, 0.12)
        room[0] = 1.0
        size = len(wave) + length
        return np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(room, size), size)[: len(wave)]


def measured(sounds: Sounds, count: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    rows, labels = [], []
    for number in range(count):
        is_noise = bool(sounds.rng.random() < 0.5)
        figures = sounds.figures(is_noise=is_noise)
        if figures is not None:
            rows.append(figures)
            labels.append(is_noise)
        if number % 1000 == 999:
            print(f"{number + 1} of {count} examples", flush=True)
    return np.stack(rows), np.array(labels)


def trained(rows: NDArray[np.float32], labels: NDArray[np.bool_], seed: int) -> CrowdNet:
    torch.manual_seed(seed)
    figures, targets = torch.from_numpy(rows), torch.from_numpy(labels.astype(np.float32))
    network = CrowdNet(rows.shape[1])
    network.mean, network.deviation = figures.mean(dim=0), figures.std(dim=0) + 1e-6
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1.0 - step / STEPS)
        chosen = torch.randint(len(figures), (len(network.first), BATCH))  # others for each network
        some = figures[chosen] + JITTER * network.deviation * torch.randn(*chosen.shape, figures.shape[1])
        wanted = targets[chosen] * (1.0 - 2.0 * SMOOTHING) + SMOOTHING
        loss = F.binary_cross_entropy_with_logits(network.each(some), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--noises", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=12_000)
    parser.add_argument("--rows", type=Path, help="file for the measurements")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.rows and arguments.rows.exists():
        rows, labels = pickle.loads(arguments.rows.read_bytes())
    else:
        rng = np.random.default_rng(arguments.seed)
        rows, labels = measured(Sounds(arguments.noises, rng), arguments.examples)
        if arguments.rows:
            arguments.rows.write_bytes(pickle.dumps((rows, labels)))
    network = trained(rows, labels, arguments.seed)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()
