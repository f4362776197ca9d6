"""The limits of the gate and of ``auto``, found anew from measurements, beside those in the code.

    python tests/benchmarks/fit_gate.py --songs SONGS --noises NOISES [--kinds KIND ...] [--items 20] \
        [--cases FILE]

Each limit separates cases that should lie below it from cases that should lie above it. Clean music should
pass, and noisy music that the network improves should not. The cases are what the gate sees: the first 5 to
10 s of stretches of the songs (`bench_gate.py`), clean, with white noise and with recordings, 0 to 20 dB SNR.
For each limit the script finds the value that is wrong least often, in the middle between the nearest cases;
a side counts as much as the other, however many cases it has. `limits` says which cases are compared. Where
the sides overlap, the gate spares clean music rather than removing more noise: its limits then stand beyond
all clean cases ("most that should be below", "least above").

Measuring takes a few minutes for each network, so ``--cases FILE`` keeps the cases: if the file exists, its
cases are used. The script changes no code.
"""

import argparse
import datetime
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from bench_gate import RATE, stretches, with_noise
from numpy.typing import NDArray
from results import table
from torch import Tensor

from musicdenoise.core.metrics import snr
from musicdenoise.data.bank import AudioBank
from musicdenoise.data.catalogue import find_noises
from musicdenoise.data.noise import NoiseSource, RecordedNoise, WhiteNoise
from musicdenoise.denoising import auto
from musicdenoise.denoising.denoiser import DenoiseConfig, Denoiser
from musicdenoise.denoising.gate import GateConfig
from musicdenoise.denoising.song_denoiser import HEAD_SECONDS
from musicdenoise.denoising.sound_features import band_powers, bass_powers, flatness_db, steadiness_db
from musicdenoise.kinds import ANY_NOISE, WHITE_NOISE
from musicdenoise.runtime.allocator import keep_freed_memory

CLEAN = "none"
KINDS = ("car_horn", "children_playing", "dog_bark", "drilling", "gun_shot", "siren", "street_music")


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a network would remove from the beginning of a stretch."""

    network: str
    noise: str  # CLEAN, or the kind of the noise
    seconds: int
    level_db: float  # relative to the song
    bass_share: float
    steadiness_db: float
    flatness_db: float
    gain_db: float  # in SNR over the whole stretch; 0 for clean music


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit in the code, and the measures that should lie below it and above it."""

    name: str
    present: float
    below: list[float]
    above: list[float]

    def wrong(self, limit: float) -> float:
        """Mean of the shares of both sides that a limit puts on the wrong side."""
        sides = (
            (self.below, lambda value: value >= limit),
            (self.above, lambda value: value < limit),
        )
        return sum(sum(map(is_wrong, values)) / max(len(values), 1) for values, is_wrong in sides) / 2

    def found(self) -> float | None:
        """The limit that is wrong least often; None if one side has no cases."""
        if not self.below or not self.above:
            return None
        values = sorted({*self.below, *self.above})
        middles = [(a + b) / 2 for a, b in pairwise(values)] or values
        widths = [b - a for a, b in pairwise(values)] or [0.0]
        return min(zip(middles, widths, strict=True), key=lambda pair: (self.wrong(pair[0]), -pair[1]))[0]

    def row(self) -> list[str]:
        found = self.found()
        extremes = [
            f"{max(self.below):.2f}" if self.below else "",
            f"{min(self.above):.2f}" if self.above else "",
        ]
        known = ["", ""] if found is None else [f"{found:.2f}", f"{self.wrong(found):.0%}"]
        counts = f"{len(self.below)} and {len(self.above)}"
        return [
            self.name,
            f"{self.present:.2f}",
            f"{self.wrong(self.present):.0%}",
            *known,
            *extremes,
            counts,
        ]


def cases_of(network: str, noise: str, clean: Tensor, noisy: Tensor, denoiser: Denoiser) -> Iterator[Case]:
    """The cases of one stretch, one for each second that the gate decides about."""
    samples: NDArray[np.float32] = noisy.numpy()
    result = denoiser.denoise(samples, RATE)
    gain = 0.0 if noise == CLEAN else snr(clean, noisy.new_tensor(result)) - snr(clean, noisy)
    removed = samples - result
    seconds = [slice(start, start + RATE) for start in range(0, samples.shape[1], RATE)]
    song = np.cumsum([np.square(samples[:, second], dtype=np.float64).sum() for second in seconds])
    bass, whole = np.cumsum([bass_powers(removed[:, second], RATE) for second in seconds], axis=0).T
    bands = [band_powers(removed[:, second], RATE) for second in seconds]
    for count in range(GateConfig.future_seconds + 1, len(seconds) + 1):
        heard = np.concatenate(bands[:count])
        yield Case(
            network=network,
            noise=noise,
            seconds=count,
            level_db=10.0 * math.log10(max(whole[count - 1] / song[count - 1], 1e-12)),
            bass_share=bass[count - 1] / max(whole[count - 1], 1e-12),
            steadiness_db=steadiness_db(heard),
            flatness_db=flatness_db(heard),
            gain_db=gain,
        )


def measure(songs: list[Tensor], noises: Path, cache: Path, kinds: Sequence[str]) -> list[Case]:
    """All cases: the network for any noise, that for white noise, and those of the kinds."""

    def recorded(kind: str) -> NoiseSource:
        found = find_noises(noises, kind)
        bank = AudioBank([noise.path for noise in found], cache, RATE)
        return RecordedNoise(bank, [noise.label for noise in found], fastest=1.0)

    plan: dict[str, dict[str, NoiseSource]] = {
        ANY_NOISE: {WHITE_NOISE: WhiteNoise(), ANY_NOISE: recorded(ANY_NOISE)},
        WHITE_NOISE: {WHITE_NOISE: WhiteNoise()},
        **{kind: {kind: recorded(kind)} for kind in kinds},
    }
    snrs = np.linspace(0.0, 20.0, len(songs))
    cases = []
    for network, sources in plan.items():
        denoiser = Denoiser(network, device="cpu", config=DenoiseConfig(gate=False, find_noise=False))
        for i, (song, snr_db) in enumerate(zip(songs, snrs, strict=True)):
            cases.extend(cases_of(network, CLEAN, song, song, denoiser))
            for noise, source in sources.items():
                noisy = with_noise(song, source, float(snr_db), i)
                cases.extend(cases_of(network, noise, song, noisy, denoiser))
        print(f"{network}: {len(cases)} cases so far", flush=True)
    return cases


def limits(cases: list[Case], kinds: Sequence[str]) -> Iterator[Limit]:
    """Every limit, with the cases that should lie on either side of it."""

    def chosen(
        measure: str, network: str, noise: str, condition: Callable[[Case], bool] = lambda _: True
    ) -> list[float]:
        """A measure of all cases of a network with a noise; of noisy ones only those that it improves."""
        return [
            getattr(case, measure)
            for case in cases
            if (case.network, case.noise) == (network, noise)
            and (noise == CLEAN or case.gain_db > 0.0)
            and condition(case)
        ]

    yield from _of_any_noise(chosen)
    white = GateConfig.usual(known_kind=WHITE_NOISE)
    steady = {
        "network": WHITE_NOISE,
        "condition": lambda case: case.steadiness_db >= white.least_steadiness_db,
    }
    for name, present, measure, given in (
        ("least_steadiness_db", white.least_steadiness_db, "steadiness_db", {"network": WHITE_NOISE}),
        ("steady_limit_db (white)", white.steady_limit_db, "level_db", steady),
    ):
        below, above = (chosen(measure, noise=noise, **given) for noise in (CLEAN, WHITE_NOISE))
        yield Limit(name=name, present=present, below=below, above=above)
    for kind in kinds:
        yield from _of_kind(kind, chosen)
    yield from _of_auto(cases)


Chosen = Callable[..., list[float]]


def _of_any_noise(chosen: Chosen) -> Iterator[Limit]:
    usual = GateConfig.usual(is_refined=True)  # as `mixed` is

    def is_bass(case: Case) -> bool:
        return case.bass_share >= _middle(usual.bass_shares)

    yield Limit(
        name="limit_db",
        present=usual.limit_db,
        below=chosen("level_db", ANY_NOISE, CLEAN, lambda case: not is_bass(case)),
        above=chosen("level_db", ANY_NOISE, WHITE_NOISE),
    )
    yield Limit(
        name="bass_limit_db",
        present=usual.bass_limit_db,
        below=chosen("level_db", ANY_NOISE, CLEAN, is_bass),
        above=chosen("level_db", ANY_NOISE, ANY_NOISE, is_bass),
    )
    yield _bass_share("bass_shares, middle", ANY_NOISE, usual, chosen)


def _middle(shares: tuple[float, float]) -> float:
    return sum(shares) / 2


def _bass_share(name: str, kind: str, config: GateConfig, chosen: Chosen) -> Limit:
    """What is loud enough to be noise has much bass if the music is clean, and little if it is noisy."""

    def is_doubtful(case: Case) -> bool:
        return config.limit_db <= case.level_db < config.bass_limit_db

    return Limit(
        name=name,
        present=_middle(config.bass_shares),
        below=chosen("bass_share", kind, kind, is_doubtful),
        above=chosen("bass_share", kind, CLEAN, is_doubtful),
    )


def _of_kind(kind: str, chosen: Chosen) -> Iterator[Limit]:
    config = GateConfig.usual(known_kind=kind)

    def is_bass(case: Case) -> bool:
        return case.bass_share >= _middle(config.bass_shares) and case.level_db < config.bass_limit_db

    yield Limit(
        name=f"limit_db ({kind})",
        present=config.limit_db,
        below=chosen("level_db", kind, CLEAN, lambda case: not is_bass(case)),
        above=chosen("level_db", kind, kind),
    )
    if math.isfinite(config.bass_limit_db):
        yield _bass_share(f"bass_shares ({kind})", kind, config, chosen)
    if math.isfinite(config.bass_steadiness_db):
        yield Limit(
            name=f"bass_steadiness_db ({kind})",
            present=config.bass_steadiness_db,
            below=chosen("steadiness_db", kind, kind, is_bass),
            above=chosen("steadiness_db", kind, CLEAN, is_bass),
        )


def _of_auto(cases: list[Case]) -> Iterator[Limit]:
    """White noise is steady and flat. Nothing else is both, so each limit sees what passes the other."""
    heard = [case for case in cases if case.network == ANY_NOISE and case.seconds == round(HEAD_SECONDS)]
    pair = {"steadiness_db": auto._LEAST_STEADINESS_DB, "flatness_db": auto._LEAST_FLATNESS_DB}
    for (measure, present), (other, limit) in zip(pair.items(), reversed(pair.items()), strict=True):
        yield Limit(
            name=f"auto: least {measure}",
            present=present,
            below=[
                getattr(case, measure)
                for case in heard
                if case.noise != WHITE_NOISE and getattr(case, other) > limit
            ],
            above=[getattr(case, measure) for case in heard if case.noise == WHITE_NOISE],
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--noises", type=Path, required=True)
    parser.add_argument("--kinds", nargs="*", default=KINDS)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--cases", type=Path, help="keep the measurements here, and use them if they exist")
    parser.add_argument("--cache", type=Path, help="folder for decoded audio")
    arguments = parser.parse_args()
    keep_freed_memory()  # as the command does
    if arguments.cases and arguments.cases.exists():
        cases = [Case(**case) for case in json.loads(arguments.cases.read_text())]
    else:
        with tempfile.TemporaryDirectory() as folder:
            cache = arguments.cache or Path(folder)
            songs = stretches(arguments.songs, cache)[: arguments.items]
            cases = measure(songs, arguments.noises, cache, arguments.kinds)
        if arguments.cases:
            arguments.cases.write_text(json.dumps([asdict(case) for case in cases]))
    kinds = [kind for kind in arguments.kinds if any(case.network == kind for case in cases)]
    header = ["limit", "now", "wrong", "found", "wrong", "most that should be below", "least above", "cases"]
    print(f"\nMeasured on {datetime.date.today():%d %B %Y}, {len(cases)} cases\n")
    print(table(header, [limit.row() for limit in limits(cases, kinds)]))


if __name__ == "__main__":
    main()
