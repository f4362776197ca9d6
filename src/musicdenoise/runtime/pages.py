"""What all HTML pages share: their templates, files inside them, and what a browser lets them do."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from string import Template


def data_url(content: bytes, kind: str) -> str:
    """A file as a URL that holds it; ``kind`` is its MIME type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def page_template(text: str, includes: Mapping[str, str]) -> Template:
    """A page before its texts are put in.

    Parameters
    ----------
    text
        HTML for `string.Template`. A line ``/* include NAME */`` in its style or script stands for a file.
    includes
        These files by name.
    """
    for name, content in includes.items():
        text = text.replace(f"/* include {name} */\n", content.replace("$", "$$"))
    return Template(text)


def content_policy(template: str, *, own_server: bool = False) -> str:
    """What a page may load and run: its own pictures and sound, and its own script, known by its digest.

    So a file name cannot smuggle in a script, and nothing leaves the page.

    Parameters
    ----------
    template
        The page before its texts are put in, for `string.Template`.
    own_server
        Whether its script may ask the server that the page came from.
    """
    script = template.partition("<script>")[2].partition("</script>")[0].replace("$$", "$")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    asked = "connect-src 'self'; " if own_server else ""
    return (
        f"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; {asked}"
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
