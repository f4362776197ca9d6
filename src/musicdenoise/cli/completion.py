"""What the shell proposes: kinds of noise, networks, recipes and formats, each with a short description."""

from __future__ import annotations

Proposals = list[tuple[str, str]]


def propose_noises(incomplete: str) -> Proposals:
    """Kinds, everyday words, and ``auto``, as `denoise --noise` takes them."""
    from musicdenoise.kinds import NOISE_WORDS

    words = [(word, f"taken as {kind}") for word, kind in NOISE_WORDS.items()]
    everything = [("auto", "decide by the beginning of each song"), *_kinds(), *words]
    return _fitting(everything, incomplete)


def propose_kinds(incomplete: str) -> Proposals:
    """Kinds alone, as `train --noise` takes them."""
    return _fitting(_kinds(), incomplete)


def propose_networks(incomplete: str) -> Proposals:
    """Pretrained networks, and the names that lead to one of them."""
    from musicdenoise.weights.index import load_aliases, load_index

    networks = [(entry.name, f"for noise of the kind {entry.noise_kind}") for entry in load_index()]
    aliases = [(alias, f"uses {name}") for alias, name in load_aliases().items()]
    return _fitting([*networks, *aliases], incomplete)


def propose_recipes(incomplete: str) -> Proposals:
    """Recipes of the package, as `train --recipe` takes them."""
    from importlib.resources import files

    names = sorted(path.name for path in files("musicdenoise.training").joinpath("recipes").iterdir())
    recipes = [(name.removesuffix(".toml"), "settings of a training") for name in names]
    return _fitting(recipes, incomplete)


def propose_formats(incomplete: str) -> Proposals:
    """Formats of results, as `denoise --format` takes them."""
    about = {
        "wav": "lossless, without compression",
        "flac": "lossless",
        "m4a": "AAC, or ALAC with --bit-depth",
        "mp3": "lossy",
        "ogg": "lossy: Vorbis",
        "opus": "lossy, at 48 kHz",
    }
    return _fitting(list(about.items()), incomplete)


def _kinds() -> Proposals:
    from musicdenoise.kinds import NOISE_EXAMPLES

    return list(NOISE_EXAMPLES.items())


def _fitting(proposals: Proposals, incomplete: str) -> Proposals:
    return [proposal for proposal in proposals if proposal[0].startswith(incomplete.lower())]
