"""Cells of CSV files: a spreadsheet must not take names from outside for formulas.

Reference: OWASP, "CSV injection".
"""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(text: str) -> str:
    """The text for a cell. If it would be a formula, it gets an apostrophe, which spreadsheets hide."""
    return f"'{text}" if text.startswith(_FORMULA) else text
