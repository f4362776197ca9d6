"""Text from outside on a terminal: names of files, tags, messages of libraries.

A name may hold a line break, which can forge a message, or an escape sequence, which a terminal obeys. This
module makes them visible. Every line that a command prints goes through it.
"""

from __future__ import annotations

import re
import sys

# Control characters (C0, delete, C1), line and paragraph separators, and what turns the direction of text.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LARGEST_BYTE = 0xFF


def quoted(text: object) -> str:
    """The text with its control characters as escapes, as Python writes them: one harmless line."""
    return _CONTROL.sub(_escape, str(text))


def quoted_json(text: str) -> str:
    """JSON that any terminal and any reader takes: control characters as its own escapes.

    If standard output is not UTF-8, everything that is not ASCII is escaped, too.
    """
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    lines = text.split("\n")  # between values; inside strings they are escaped already
    kept = "\n".join(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", line) for line in lines)
    if encoding in ("utf8", "utf8sig"):
        return kept
    return "".join(char if char.isascii() else _utf_16(char) for char in kept)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return _SHORT.get(found[0]) or (f"\\x{code:02x}" if code <= _LARGEST_BYTE else f"\\u{code:04x}")


def _utf_16(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
