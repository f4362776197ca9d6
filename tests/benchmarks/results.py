"""Results of the benchmarks in ``docs/benchmarks.md``: each script replaces its own table there.

A table stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``; what is around it is written by hand.
"""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def publish(name: str, text: str, *, write: bool) -> None:
    """Print a table, and put it into the page if ``write`` is true."""
    print(text, flush=True)
    if not write:
        return
    page = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
    page, count = pattern.subn(lambda match: f"{match[1]}{text}\n{match[2]}", page)
    if count != 1:
        raise SystemExit(f"{PAGE}: has {count} places for the table {name!r}; it must have one")
    PAGE.write_text(page, encoding="utf-8")
