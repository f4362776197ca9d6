"""Make the examples on which `train_refiner.py` trains.

    python docs/examples/refiner_examples.py --songs SONGS --noises NOISES --pool POOL --examples 400 \
        [--seconds 30] [--alone-share 0.5] [--effects EFFECTS] [--seed 1]

An example is a song with noise, the estimate that ``mixed`` makes of it, the same music with another noise,
and what a sample says of the first noise: its mean power and its length. A third of the noises are recordings
as they are or as `musicdenoise train` alters them. The others nobody recorded: recordings at other speeds in
other rooms, noise between the spectra of two, generated machines and voices, tapes and records, and sound
effects, if there are any.

With ``--alone-share`` that share of the examples begins with the noise alone, as many recordings do; the
sample is then mostly a stretch of that. Estimates take most of the time. Another process with another seed
fills the same pool faster, also while the refiner already trains. A minute of examples takes 16 MB.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from musicdenoise import Denoiser
from musicdenoise.core.noise_spectrum_net import mean_power
from musicdenoise.data.altered_noise import AlteredNoise, BlendedNoise
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.catalogue import find_noises, noise_source, song_files
from musicdenoise.data.generated_noise import GeneratedNoise
from musicdenoise.data.mixer import AlternatingPairs, Example, MixConfig, PairMixer
from musicdenoise.data.noise import MixedNoise, NoiseSource, WhiteNoise
from musicdenoise.data.old_media import TapeNoise, VinylNoise
from musicdenoise.runtime.allocator import keep_freed_memory

RATE = 44_100
PLAIN_SHARE = 0.7
UNRECORDED_SHARE = 0.65
LEVELS = {"snr_range_db": (-5.0, 22.0), "target_snr_range_db": (10.0, 40.0)}
SAMPLES = {"sample_share": 1.0, "sample_seconds": (0.3, 6.0)}
ALONE_SECONDS, FADE_SECONDS, FADING_SHARE = (0.6, 7.0), (1.0, 4.0), 0.4
SAMPLE_OF_IT_SHARE, LEAST_SAMPLE_SECONDS = 0.75, 0.3


class PairsAfterNoise(PairMixer):
    """Pairs of which a share begins with the noise alone."""

    def __init__(self, *mixed: Any, alone_share: float) -> None:
        super().__init__(*mixed)
        self._alone_share, self._alone = alone_share, 0

    def example(self, index: int) -> Example:
        """The example; its sample is mostly from the noise before the music, if there is any."""
        made = super().example(index)
        rng = np.random.default_rng((self.seed, index, 2))
        if not self._alone or rng.random() >= SAMPLE_OF_IT_SHARE:
            return made
        least = round(LEAST_SAMPLE_SECONDS * RATE)
        count = int(np.exp(rng.uniform(np.log(least), np.log(self._alone))))
        first = int(rng.integers(self._alone - count + 1))
        power = mean_power(made.noisy[:, first : first + count])
        return made._replace(sample_power=power, sample_seconds=torch.tensor(count / RATE))

    def _music(self, rng: np.random.Generator) -> tuple[Tensor, float]:
        clean, level = super()._music(rng)
        self._alone = 0
        if rng.random() < self._alone_share:
            self._alone = round(rng.uniform(*ALONE_SECONDS) * RATE)
            fade = round(rng.uniform(*FADE_SECONDS) * RATE) if rng.random() < FADING_SHARE else 1
            clean = clean * ((torch.arange(clean.shape[-1]) - self._alone) / fade).clamp(0.0, 1.0)
        return clean, level


def unrecorded_noise(arguments: argparse.Namespace) -> NoiseSource:
    """Noise that is in no recording."""
    noises = find_noises(arguments.noises, "mixed")
    bank = AudioBank([noise.path for noise in noises], arguments.cache, RATE)
    labels = [noise.label for noise in noises]
    sources: dict[NoiseSource, float] = {
        AlteredNoise(bank, labels): 0.5,
        BlendedNoise(bank, labels): 0.17,
        GeneratedNoise(RATE): 0.24,
        TapeNoise(RATE): 0.03,
        VinylNoise(RATE): 0.03,
        WhiteNoise(): 0.03,
    }
    if arguments.effects:
        effects = AudioBank(song_files(arguments.effects), arguments.cache, RATE)
        sources[AlteredNoise(effects, ["effect"] * len(effects))] = 0.12
    return MixedNoise(list(sources), list(sources.values()))


def pairs(arguments: argparse.Namespace) -> AlternatingPairs:
    """Plain mixes, and mixes that pass recording chains."""
    songs = AudioBank(song_files(arguments.songs), arguments.cache, RATE)
    count = round(arguments.seconds * RATE)
    unrecorded = unrecorded_noise(arguments)
    sources = (
        MixedNoise(
            [noise_source("mixed", arguments.noises, arguments.cache, RATE, fastest=fastest), unrecorded],
            [1.0 - UNRECORDED_SHARE, UNRECORDED_SHARE],
        )
        for fastest in (1.0, 2.0)
    )
    configs = (
        MixConfig.plain(num_samples=count, **LEVELS, **SAMPLES),
        MixConfig(num_samples=count, coded_share=0.1, **LEVELS, **SAMPLES),
    )
    mixers = (
        PairsAfterNoise(songs, source, config, arguments.seed, alone_share=arguments.alone_share)
        for source, config in zip(sources, configs, strict=True)
    )
    return AlternatingPairs(*mixers, PLAIN_SHARE, arguments.seed)


def main() -> None:
    """Make the examples that are not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("songs", "noises", "pool"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--effects", type=Path, help="sounds of machines, weapons and the like from games")
    parser.add_argument("--cache", type=Path, default=Path("decoded"), help="where decoded audio is kept")
    parser.add_argument("--examples", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of an example")
    parser.add_argument("--alone-share", type=float, default=0.5, help="share that begins with noise alone")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    keep_freed_memory()
    made = pairs(arguments)
    denoiser = Denoiser("mixed", device="cpu")
    arguments.pool.mkdir(parents=True, exist_ok=True)
    for index in range(arguments.examples):
        file = arguments.pool / f"{arguments.seed:03d}-{index:05d}.npz"
        if file.exists():
            continue
        noisy, target, power, seconds = made.example(index)
        estimate = torch.from_numpy(denoiser.estimate(noisy.numpy(), RATE))
        waveforms = torch.stack([noisy, estimate, target])
        scale = 32_000.0 / float(waveforms.abs().max())
        stored = (waveforms * scale).round().numpy().astype(np.int16)
        part = file.with_suffix(".part")
        with part.open("wb") as stream:
            np.savez(stream, waveforms=stored, power=(power * scale**2).numpy(), seconds=seconds.numpy())
        part.replace(file)
        print(f"{index + 1} of {arguments.examples}", end="\r", flush=True)


if __name__ == "__main__":
    main()
