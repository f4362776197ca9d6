"""Cells of CSV files: names from outside that a spreadsheet must not take for formulas.

Reference: OWASP, "CSV injection".
"""

from __future__ import annotations

__all__ = ["csv_text"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(text: str) -> str:
    """The text for a cell; with an apostrophe in front, which is not shown, where it would be a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
