"""The table of networks kind by kind, from the report of an evaluation.

    python tests/benchmarks/make_dev_set.py --songs SONGS --noises NOISES --out DEV
    musicdenoise eval DEV --weights mixed --weights white --baselines identity,noisereduce,oracle \
        --metrics snr,ssnr,si_sdr --out REPORT
    python tests/benchmarks/quality_table.py REPORT/metrics.json [--write]

Every cell is the mean improvement in dB over the items of a kind; the SNR has the share of items improved.
"""

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path

from results import publish, table

MEASURES = {"snr": "SNR", "ssnr": "SSNR", "si_sdr": "SI-SDR"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    arguments = parser.parse_args()
    rows = json.loads(arguments.report.read_text(encoding="utf-8"))["rows"]
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in rows:
        for measure in MEASURES:
            value = row["values"].get(f"{measure}_improvement_db")
            if value is not None:
                values[measure, row["noise_kind"], row["system"]].append(value)
    kinds = list(dict.fromkeys(row["noise_kind"] for row in rows))
    systems = list(dict.fromkeys(row["system"] for row in rows))
    for measure, title in MEASURES.items():
        lines = []
        for kind in kinds:
            cells = []
            for system in systems:
                found = values[measure, kind, system]
                share = (
                    f" ({sum(value > 0.0 for value in found) / len(found):.0%})" if measure == "snr" else ""
                )
                cells.append(f"{statistics.mean(found):+.2f}{share}")
            lines.append([kind, *cells])
        means = [
            f"{statistics.mean(statistics.mean(values[measure, kind, system]) for kind in kinds):+.2f}"
            for system in systems
        ]
        lines.append(["mean of kinds", *means])
        header = [f"{title} improvement (dB)", *systems]
        publish(f"quality {measure}", table(header, lines), write=arguments.write)


if __name__ == "__main__":
    main()
