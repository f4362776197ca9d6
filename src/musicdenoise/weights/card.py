"""The model card of a weights file, made from what the file says about itself.

Reference: https://huggingface.co/docs/hub/model-cards (front matter).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from musicdenoise.core.families import DCUNET
from musicdenoise.core.fine_net import FINE, FineNetConfig
from musicdenoise.weights.checkpoint import CheckpointMetadata

# Licences that the Hub knows by these names, of those that weights may have; others go in by name.
_KNOWN_LICENCES = frozenset(
    {
        *("apache-2.0", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
        *("cc-by-sa-4.0", "gpl-3.0", "mit", "mpl-2.0", "unknown"),
    }
)
_TAGS = ("audio", "music", "denoising", "audio-restoration", "noise2noise")


def model_card(repo: str, metadata: CheckpointMetadata) -> str:
    """The card in Markdown, with front matter, as the README of a repository.

    Parameters
    ----------
    repo
        The repository, ``OWNER/NAME``.
    metadata
        What the weights say about themselves.
    """
    name, licence = repo.rpartition("/")[2], metadata.licence
    front: dict[str, Any] = {"license": licence.lower()}
    if licence.lower() not in _KNOWN_LICENCES:
        front = {"license": "other", "license_name": licence}
    front |= {
        "library_name": "musicdenoise",
        "pipeline_tag": "audio-to-audio",
        "tags": [*_TAGS, metadata.noise_kind],
    }
    stft = metadata.stft
    network = {
        "family": FINE if isinstance(metadata.network, FineNetConfig) else DCUNET,
        "sample rate": f"{stft.sample_rate} Hz",
        "STFT": f"n_fft {stft.n_fft}, hop length {stft.hop_length}",
    }
    training = {key: value for key, value in metadata.training.items() if key != "config"}
    # JSON is YAML, so no value can end the front matter or begin another field.
    header = "".join(f"{key}: {json.dumps(value)}\n" for key, value in front.items())
    template = (files("musicdenoise") / "weights" / "model_card.md").read_text(encoding="utf-8")
    return f"---\n{header}---\n\n" + template.format(
        name=name,
        repo=repo,
        kind=metadata.noise_kind,
        targets=metadata.training.get("targets", "noisy"),
        network=_table(network),
        data=_table(metadata.data),
        training=_table({**training, **metadata.versions}),
        metrics=_table(metadata.metrics),
        licence=licence,
    )


def _table(values: Mapping[str, Any]) -> str:
    if not values:
        return "The file says nothing about this.\n"
    rows = (f"| {_cell(key)} | {_cell(value)} |\n" for key, value in values.items())
    return "| | |\n|---|---|\n" + "".join(rows)


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return " ".join(text.split()).replace("|", "\\|")
