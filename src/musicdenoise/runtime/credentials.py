"""Keeping passwords and signatures of addresses out of what is shown and stored."""

from __future__ import annotations

import hashlib
import re

# A name and password before the host; they may hold an @ that was not quoted.
_USER = re.compile(r"(://)[^/\s]*@")
_SECRET_WORDS = "sig|token|key|secret|credential|pass|auth|policy"
_SECRET = re.compile(rf"([?&][^=&#\s]*(?:{_SECRET_WORDS})[^=&#\s]*=)([^&#\s'\"()]+)", re.IGNORECASE)


def without_credentials(text: str) -> str:
    """The text, with passwords left out of the addresses in it, and secret values as ``***`` and a digest.

    A value is secret if its name says so, as in ``?X-Amz-Signature=...``. The digest is there because two
    addresses that differ must not look the same.
    """
    return _SECRET.sub(_hidden, _USER.sub(r"\1", text))


def _hidden(found: re.Match[str]) -> str:
    return f"{found[1]}***{hashlib.sha256(found[2].encode(errors='surrogateescape')).hexdigest()[:8]}"
