"""What a sample of the noise gains, kind by kind, beside other programs that get the same sample.

    python tests/benchmarks/make_dev_set.py --songs SONGS --noises NOISES --out DEV
    python tests/benchmarks/bench_noise_sample.py DEV [--every 2] [--cache FOLDER] [--write]

Two tables. **Gain**: the SNR improvement of each mix from its third second on, means by kind, the worst mix,
and how many came out worse by more than 0.1 dB. The sample is the noise of the first two seconds; where the
network has none, the gate stands behind it, as in the command. **Musical noise**: five mixes of each kind
begin with four seconds of their noise alone, of which the first two are the sample; the log kurtosis ratio
(`musical_noise.py`) of what is left of the other two says how much it tinkles.

What networks and other programs make of a mix is kept in the cache, so that a change of what is done with the
sample is measured anew within minutes. ``--every`` takes one mix of so many, spread evenly over the SNRs.
"""

import argparse
import hashlib
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from musical_noise import log_kurtosis_ratio
from results import publish, table
from torch import Tensor

from musicdenoise.denoising.denoiser import Denoiser
from musicdenoise.denoising.song_denoiser import SongDenoiser
from musicdenoise.errors import DataError
from musicdenoise.evaluation.evaluate import evaluate
from musicdenoise.evaluation.items import EvalItem, LoadedItem, find_items, load_item
from musicdenoise.evaluation.measures import choose_measures
from musicdenoise.evaluation.systems import System, baseline, installed_baselines
from musicdenoise.runtime.allocator import keep_freed_memory

SAMPLE_SECONDS = 2.0
SHORT_SECONDS = 0.5
ALONE_SECONDS = 4.0
TINKLING_ITEMS = 5
WORSE_DB = -0.1


class Cache:
    """Signals by what they were made of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str, waves: list[Tensor], compute: Callable[[], Tensor]) -> Tensor:
        digest = hashlib.sha256(name.encode())
        for wave in waves:
            digest.update(wave.numpy().tobytes())
        path = self._folder / f"{digest.hexdigest()}.npy"
        if not path.exists():
            np.save(path, compute().numpy())
        return torch.from_numpy(np.load(path))


class Whole:
    """A stream that waits for the whole song, and looks into the cache for its estimate."""

    def __init__(self, estimate: Callable[[Tensor], Tensor]) -> None:
        self._estimate, self._blocks = estimate, []

    def push(self, block: Tensor) -> Tensor:
        self._blocks.append(block)
        return block[:, :0]

    def flush(self) -> Tensor:
        return self._estimate(torch.cat(self._blocks, dim=-1))


class Remembering(Denoiser):
    """A denoiser whose network computes each song once."""

    def __init__(self, weights: str, cache: Cache) -> None:
        super().__init__(weights, device="cpu")
        self._cache = cache

    def _network_stream(self, sample_rate: int, channels: int, refined=None, *, as_mid_side: bool):
        def compute(wave: Tensor) -> Tensor:
            stream = super(Remembering, self)._network_stream(sample_rate, channels, as_mid_side=as_mid_side)
            return torch.cat([stream.push(wave), stream.flush()], dim=-1)

        whole = Whole(lambda wave: self._cache.get(self.weights_name, [wave], lambda: compute(wave)))
        return whole if refined is None else refined(whole)


def own(name: str, denoiser: SongDenoiser, seconds: float) -> System:
    """The denoiser with so much of the sample."""

    def process(item: LoadedItem) -> Tensor:
        count = round(seconds * item.sample_rate)
        known = (item.noise_sample[:, :count].numpy(), item.sample_rate) if count else None
        return torch.from_numpy(denoiser.denoise(item.noisy.numpy(), item.sample_rate, noise_sample=known))

    return System(name=name, process=process)


def remembered(system: System, cache: Cache) -> System:
    def process(item: LoadedItem) -> Tensor:
        waves = [item.clean, item.noisy] + ([] if item.noise_sample is None else [item.noise_sample])
        return cache.get(system.name, waves, lambda: system.process(item))

    return replace(system, process=process)


def make_systems(cache: Cache) -> list[System]:
    network, subtraction = Remembering("mixed", cache), Denoiser("none", device="cpu")
    others = [
        name
        for name in ("noisereduce", "noisered", "afftdn")
        if name in installed_baselines(with_sample=True)
    ]
    return [
        own("mixed", network, 0.0),
        own(f"mixed + {SAMPLE_SECONDS:g} s", network, SAMPLE_SECONDS),
        own(f"mixed + {SHORT_SECONDS:g} s", network, SHORT_SECONDS),
        own(f"none + {SAMPLE_SECONDS:g} s", subtraction, SAMPLE_SECONDS),
        *(remembered(baseline(name, with_sample=True), cache) for name in others),
        remembered(baseline("oracle"), cache),
    ]


def by_kind(items: list[EvalItem], every: int) -> dict[str, list[EvalItem]]:
    kinds: dict[str, list[EvalItem]] = defaultdict(list)
    for item in items:
        kinds[item.noise_kind].append(item)
    return {kind: found[every // 2 :: every] for kind, found in kinds.items()}


def gains(kinds: dict[str, list[EvalItem]], systems: list[System]) -> str:
    items = [item for found in kinds.values() for item in found]
    report = evaluate(
        items,
        systems,
        choose_measures("snr"),
        noise_sample_seconds=SAMPLE_SECONDS,
        on_progress=lambda done, total: print(f"{done} of {total}", end="\r", flush=True),
    )
    for failure in report.failures:
        print(f"left out: {failure.what}: {failure.reason}")
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in report.rows:
        values[row.system, row.noise_kind].append(row.values["snr_improvement_db"])
    names = [system.name for system in systems]
    measured = [kind for kind in kinds if (names[0], kind) in values]
    means = {key: statistics.mean(found) for key, found in values.items()}
    rows = [[kind, *(f"{means[name, kind]:+.2f}" for name in names)] for kind in measured]
    every = {name: [gain for kind in measured for gain in values[name, kind]] for name in names}
    overall = [statistics.mean(means[name, kind] for kind in measured) for name in names]
    rows.append(["mean of kinds", *(f"{mean:+.2f}" for mean in overall)])
    rows.append(["worst mix", *(f"{min(every[name]):+.2f}" for name in names)])
    worse = [sum(gain < WORSE_DB for gain in every[name]) for name in names]
    rows.append([f"worse by > 0.1 dB, of {len(every[names[0]])}", *map(str, worse)])
    return table(["SNR improvement (dB)", *names], rows)


def beginning_with_noise(item: EvalItem) -> LoadedItem:
    """A mix whose music begins after four seconds."""
    loaded = load_item(item, SAMPLE_SECONDS)
    count = round(ALONE_SECONDS * loaded.sample_rate)
    clean, noisy = loaded.clean.clone(), loaded.noisy.clone()
    noisy[:, :count] -= clean[:, :count]
    clean[:, :count] = 0.0
    return replace(loaded, clean=clean, noisy=noisy)


def musical_noise(kinds: dict[str, list[EvalItem]], systems: list[System]) -> str:
    rows, all_ratios = [], defaultdict(list)
    for kind, items in kinds.items():
        ratios: dict[str, list[float]] = defaultdict(list)
        for item in items[:: max(1, len(items) // TINKLING_ITEMS)][:TINKLING_ITEMS]:
            try:
                loaded = beginning_with_noise(item)
            except DataError:
                continue
            part = slice(loaded.measured_from, round(ALONE_SECONDS * loaded.sample_rate))
            for system in systems:
                try:
                    left = system.process(loaded)[:, part]
                    ratios[system.name].append(log_kurtosis_ratio(loaded.noisy[:, part], left))
                except DataError:  # nothing is left, which does not tinkle
                    continue
        cells = [ratios[system.name] for system in systems]
        rows.append([kind, *(f"{statistics.mean(cell):.2f}" if cell else "-" for cell in cells)])
        for name, found in ratios.items():
            all_ratios[name].append(statistics.mean(found))
        print(rows[-1], flush=True)
    means = [all_ratios[system.name] for system in systems]
    rows.append(["mean of kinds", *(f"{statistics.mean(found):.2f}" if found else "-" for found in means)])
    return table(["log kurtosis ratio", *(system.name for system in systems)], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="dev set, from make_dev_set.py")
    parser.add_argument("--every", type=int, default=1, help="one mix of so many")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    keep_freed_memory()  # as the command does
    kinds = by_kind(find_items(arguments.data), arguments.every)
    with tempfile.TemporaryDirectory() as folder:
        systems = make_systems(Cache(arguments.cache or Path(folder)))
        publish("noise sample", gains(kinds, systems), write=arguments.write)
        publish("musical noise", musical_noise(kinds, systems[:-1]), write=arguments.write)


if __name__ == "__main__":
    main()
