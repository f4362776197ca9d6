"""Read files that were changed at random until the time is over, and keep those that should not do that.

    python tests/benchmarks/fuzz_readers.py [--minutes 10] [--seed 0] [--keep fuzz_found]

What is neither read nor refused in one line, takes more than ten seconds or two gigabytes, is stored in the
folder with the reason as its name's beginning. Exit code 1 if there is any.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "audio"))

from fuzzing import SOURCES, make_sources, mutations, read_everything

SLOW_SECONDS = 10.0
MOST_BYTES = 2 << 30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz_found"))
    arguments = parser.parse_args()
    outcomes: Counter[str] = Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        end = time.monotonic() + 60.0 * arguments.minutes
        for number, (index, data) in enumerate(mutations(make_sources(folder), arguments.seed)):
            if time.monotonic() > end:
                break
            path = folder / SOURCES[index][0]
            path.write_bytes(data)
            began = time.monotonic()
            try:
                outcome = read_everything(path)
            except Exception as error:  # noqa: BLE001 - to find those is what this is for
                outcome = type(error).__name__
            if time.monotonic() - began > SLOW_SECONDS:
                outcome = "slow"
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if 1024 * (peak - before) > MOST_BYTES:
                outcome, before = "memory", peak
            outcomes[outcome] += 1
            if outcome not in ("read", "refused"):
                arguments.keep.mkdir(exist_ok=True)
                (arguments.keep / f"{outcome}_{number}_{path.name}").write_bytes(data)
    print(dict(outcomes))
    return int(bool(outcomes.keys() - {"read", "refused"}))


if __name__ == "__main__":
    sys.exit(main())
