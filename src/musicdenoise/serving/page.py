"""The page that the server sends."""

from __future__ import annotations

from html import escape
from importlib.resources import files

from musicdenoise.denoising.auto import AUTO
from musicdenoise.denoising.listening_page import player
from musicdenoise.kinds import ANY_NOISE, NOISE_EXAMPLES, words_for
from musicdenoise.runtime.pages import content_policy, page_template


def serve_page() -> tuple[str, str]:
    """The page as HTML, and its content security policy."""
    text = (files("musicdenoise") / "serving" / "serve_page.html").read_text("utf-8")
    template = page_template(text, player())
    policy = f"{content_policy(template.template, own_server=True)}; frame-ancestors 'none'"
    return template.substitute(noises=_noises()), policy


def _noises() -> str:
    """The kinds of noise to choose from, the one that fits all first."""
    kinds = {"": NOISE_EXAMPLES[ANY_NOISE]}
    kinds |= {kind: example for kind, example in NOISE_EXAMPLES.items() if kind != ANY_NOISE}
    kinds[AUTO] = "listen to the beginning of the song, and decide"
    return "\n".join(
        f'<option value="{kind}">{escape(_label(kind, example))}</option>' for kind, example in kinds.items()
    )


def _label(kind: str, example: str) -> str:
    words = ", ".join(words_for(kind))
    return f"{example[:1].upper()}{example[1:]}{f' ({words})' if words else ''}"
