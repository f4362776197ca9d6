"""Mean of the weights of two networks, the second of which was fine-tuned from the first.

    python docs/examples/average_weights.py FIRST.safetensors SECOND.safetensors MEAN.safetensors

Half way between a network and its fine-tuned successor lies one that has most of what either is good at
(Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). The second may have more inputs than
the first. The file says what it was made from; measure it with ``musicdenoise eval``.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from musicdenoise import load_weights
from musicdenoise.core.widen import widen
from musicdenoise.errors import ConfigurationError
from musicdenoise.weights.checkpoint import save_weights


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("first", "second", "mean"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the second network, 0 to 1")
    arguments = parser.parse_args()
    (first, told), (second, also_told) = load_weights(arguments.first), load_weights(arguments.second)
    try:
        if first.config != second.config:
            first = widen(first, replace(first.config, compressions=second.config.compressions))
    except ConfigurationError as error:
        parser.error(str(error))
    if first.config != second.config:
        parser.error("these are networks with different configurations")
    others = second.state_dict()
    mean = {
        name: tensor.lerp(others[name], arguments.share) if tensor.is_floating_point() else tensor
        for name, tensor in first.state_dict().items()
    }
    training = {
        **also_told.training,
        "averaged_with": told.training,
        "share_of_the_second": arguments.share,
    }
    save_weights(arguments.mean, mean, replace(told, network=first.config, training=training, metrics={}))


if __name__ == "__main__":
    main()
