"""Is noise alone found where it is, and nowhere else, and what does the search cost?

    python tests/benchmarks/bench_noise_finder.py --songs SONGS --noises NOISES [--clean FOLDER ...] [--write]

Excerpts of 20 to 40 s of the songs, mono and stereo, get noise at 5 to 25 dB SNR that goes on under the
music and is alone for 1 to 3 s before it (a third of the music fades in), behind it, or in two pauses of
half as long. Half of the noise is synthesised (white, pink, coloured as of tapes, hum), half recorded. What
is found is right if music is at least 6 dB below the noise in seven tenths of it. Applause comes before other
excerpts, synthesised with 10 to 300 claps a second or recorded (crowds, children, street music), and stops or
goes on more quietly. Clean songs are searched whole, in their first six seconds (as streams are) and in
pieces of half a minute, without a last one of less than half of that; where something is found is listed.
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
from noise_mixes import CROWDS, FRAME_SECONDS, PLACES, STEADY, Mix, applause_mix, noise_mix, recordings
from results import publish, table

from musicdenoise.audio import find_audio, open_reader
from musicdenoise.denoising.noise_finder import FoundNoise, NoiseSearch
from musicdenoise.denoising.song_denoiser import HEAD_SECONDS

PIECE_SECONDS = 30
LOUDEST_MUSIC_DB = -6.0
LEAST_SHARE = 0.7


def find(mix: Mix) -> FoundNoise | None:
    search = NoiseSearch(mix.sample_rate, len(mix.samples))
    search.push(mix.samples)
    return search.finish()


def is_right(mix: Mix, found: FoundNoise) -> bool:
    """Whether what was found is noise alone, or nearly."""
    frames = np.concatenate(
        [
            np.arange(
                round(begin / FRAME_SECONDS), max(round(begin / FRAME_SECONDS) + 1, int(end / FRAME_SECONDS))
            )
            for begin, end in found.stretches
        ]
    )
    music_db = mix.music_db[frames[frames < len(mix.music_db)]]
    return float((music_db < LOUDEST_MUSIC_DB).mean()) >= LEAST_SHARE


def stretches(found: FoundNoise) -> str:
    return ", ".join(f"{begin:.1f}-{end:.1f} s" for begin, end in found.stretches[:3])


def noise_rows(songs: list[Path], noises: dict[str, list[Path]], count: int) -> list[list[str]]:
    rows = []
    for place in PLACES:
        wanted = count if place == "front" else count // 2
        counts: dict[bool, list[bool]] = {False: [], True: []}
        for number in range(wanted):
            mix = noise_mix(songs, noises, place, number)
            found = find(mix)
            counts[mix.recorded].append(found is not None and is_right(mix, found))
            if found is None or not is_right(mix, found):
                print(
                    f"{'missed' if found is None else f'wrong: {stretches(found)}'}: {mix.name}", flush=True
                )
        for recorded, results in counts.items():
            kind = "recorded" if recorded else "synthesised"
            rows.append([f"{kind} noise, {place}", f"{sum(results)} of {len(results)} found"])
    return rows


def applause_row(songs: list[Path], crowds: dict[str, list[Path]], count: int) -> list[str]:
    taken = 0
    for number in range(count):
        mix = applause_mix(songs, crowds, number)
        found = find(mix)
        lead = mix.lead / mix.sample_rate
        if found is not None and any(begin < lead for begin, _ in found.stretches):
            taken += 1
            print(f"applause taken: {stretches(found)}: {mix.name}", flush=True)
    return ["applause, crowds, street music in front", f"taken in {taken} of {count}"]


def clean_row(folder: Path) -> list[str]:
    """Search every song whole, its beginning, and in pieces."""
    songs = sorted(find_audio(folder))
    named: set[Path] = set()
    for path in songs:
        with open_reader(path) as reader:
            info = reader.info

            def fresh(info=info) -> NoiseSearch:
                return NoiseSearch(info.sample_rate, info.channels)

            whole, pieces = fresh(), []
            for number, block in enumerate(reader.blocks(PIECE_SECONDS * info.sample_rate)):
                whole.push(block)
                parts = {}
                if number == 0:
                    parts["beginning"] = block[:, : round(HEAD_SECONDS * info.sample_rate)]
                if block.shape[1] >= 0.5 * PIECE_SECONDS * info.sample_rate:
                    parts[f"piece {number}"] = block
                for where, part in parts.items():
                    piece = fresh()
                    piece.push(part)
                    pieces.append((where, piece.finish()))
        for where, found in [("whole", whole.finish()), *pieces]:
            if found is not None:
                named.add(path)
                print(f"clean: {path.name}, {where}: {stretches(found)}, {found.level_db:.0f} dB", flush=True)
    return [f"clean songs of {folder.name}", f"something in {len(named)} of {len(songs)}"]


def cost() -> list[list[str]]:
    """Time per second of stereo, and memory of three hours."""
    rng = np.random.default_rng(0)
    block = (0.1 * rng.standard_normal((2, 10 * 44_100))).astype(np.float32)

    def search(seconds: int) -> Callable[[], object]:
        listening = NoiseSearch(44_100, 2)
        for _ in range(seconds // 10):
            listening.push(block)
        return listening.finish

    began = time.process_time()
    search(600)()
    milliseconds = (time.process_time() - began) / 600 * 1000
    tracemalloc.start()
    search(3 * 3600)()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return [
        ["processor time per second of stereo", f"{milliseconds:.2f} ms"],
        ["memory for three hours, at most", f"{peak:.0f} MB"],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--noises", type=Path, required=True)
    parser.add_argument("--clean", type=Path, nargs="*", default=[])
    parser.add_argument("--count", type=int, default=120, help="songs with noise in front")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    songs = sorted(find_audio(arguments.songs))
    rows = noise_rows(songs, recordings(arguments.noises, STEADY), arguments.count)
    rows.append(applause_row(songs, recordings(arguments.noises, CROWDS), arguments.count))
    rows += [clean_row(folder) for folder in arguments.clean]
    publish("noise-finder", table(["what", "result"], rows + cost()), write=arguments.write)


if __name__ == "__main__":
    main()
