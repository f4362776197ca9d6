"""What all HTML pages share: files inside them, and what a browser lets them do."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["content_policy", "data_url"]


def data_url(content: bytes, kind: str) -> str:
    """A file as a URL that holds it; ``kind`` is its MIME type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def content_policy(template: str) -> str:
    """What a page may load and run: its own pictures and sound, and its own script, known by its digest.

    So a file name cannot smuggle in a script, and nothing leaves the page. ``template`` is the page
    before its texts are put in, for `string.Template`.
    """
    script = template.partition("<script>")[2].partition("</script>")[0].replace("$$", "$")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
