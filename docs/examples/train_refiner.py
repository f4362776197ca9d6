"""Train what refines a network's estimates by the long-term spectrum of the noise.

    python docs/examples/train_refiner.py --pool POOL --out OUT.safetensors --minutes 90 --sample-share 1 \
        (--init refiner.safetensors | --spectrum recorded.safetensors)

By Noise2Noise: the target is the same music with another noise. POOL holds examples, which
`refiner_examples.py` makes; those that are made meanwhile are used as well. Half of the steps have 25 s of
one example (averages over time are what the network is for), and half 5 s of each of four. ``--sample-share``
of the examples come with a sample of their noise. Two in five of the samples are made as uncertain as a
shorter one.

Each time an example is used, its three waveforms pass one random equaliser and one change of speed. Otherwise
the refiner recognises the few hundred recordings of noise by their fine spectrum, and is surer than it should
be on others. The loss is that of `musicdenoise train`: the power of the error relative to that of the target,
in dB per example. The learning rate is constant, and goes down to nothing in the last third. The result is
the average of the last weights. ``OUT.state`` keeps everything; with it the same command goes on after a
stop, and a longer ``--minutes`` after the end.

``--spectrum`` names weights of the family ``fine``, whose network for the noise's spectrum a new refiner
starts with. That network stays as it is.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from musicdenoise import load_weights
from musicdenoise.core.fine_net import FineNet
from musicdenoise.core.losses import error_ratio_loss
from musicdenoise.core.noise_spectrum_net import mean_power
from musicdenoise.core.refiner import Refiner
from musicdenoise.runtime.allocator import keep_freed_memory
from musicdenoise.runtime.device import has_fast_bf16
from musicdenoise.training.muon import ComplexMuon

RATE = 44_100
LONG_SHARE, LONG_SECONDS, SHORT_SECONDS, BATCH = 0.5, 25, 5, 4
SPEEDS, PLAIN_EXAMPLES = (0.84, 1.22), 0.15
EQUALISER_HZ, EQUALISER_DB = (40, 90, 200, 450, 1000, 2200, 5000, 11_000, 20_000), 4.5
UNCERTAIN_SHARE, UNCERTAIN_SECONDS = 0.4, (0.25, 1.2)
WARMUP_STEPS, DECAY_SHARE, CLIP_NORM, EMA = 50, 1 / 3, 5.0, 0.998
SAVE_SECONDS = 240.0


@dataclass(frozen=True)
class Drawn:
    """An example.

    Its waveforms ``(3, 1, samples)`` are input, estimate and target. Power ``(1, freqs)`` and length are
    those of the sample of the noise; zeros if there is none.
    """

    waveforms: Tensor
    power: Tensor
    seconds: Tensor


def read(file: Path) -> Drawn:
    """An example as `refiner_examples.py` stored it."""
    with np.load(file) as stored:
        waveforms = torch.from_numpy(stored["waveforms"].astype(np.float32) / 32_000.0)
        power = torch.from_numpy(stored["power"] / 32_000.0**2)
        return Drawn(waveforms, power, torch.from_numpy(stored["seconds"]))


def uncertain(example: Drawn, rng: np.random.Generator) -> Drawn:
    """The example with a sample that deviates as much from the noise's mean as a short one."""
    seconds = float(rng.uniform(*UNCERTAIN_SECONDS))
    if float(example.seconds) <= seconds:
        return example
    white = torch.from_numpy(rng.standard_normal((1, round(seconds * RATE)), dtype=np.float32))
    deviations = mean_power(white)
    power = example.power * deviations / deviations.mean()
    return Drawn(example.waveforms, power, torch.tensor(seconds))


def altered(example: Drawn, wanted: int, rng: np.random.Generator) -> Drawn:
    """So many samples of it, through an equaliser and at another speed."""
    waveforms, power = example.waveforms, example.power
    count = waveforms.shape[-1]
    if rng.random() < PLAIN_EXAMPLES:
        place = int(rng.integers(max(1, count - wanted + 1)))
        return Drawn(waveforms[..., place : place + wanted], power, example.seconds)
    low, high = np.log(max(SPEEDS[0], wanted / count)), np.log(SPEEDS[1])
    length = -(-int(count * np.exp(rng.uniform(low, high))) // 2100) * 2100  # a product of small primes
    slower = length / count
    decibels = rng.normal(0.0, EQUALISER_DB, len(EQUALISER_HZ))
    decibels -= decibels.mean()

    def gain(hz: np.ndarray) -> Tensor:
        at = np.interp(np.log(np.maximum(hz, 20.0)), np.log(EQUALISER_HZ), decibels)
        return torch.from_numpy(10.0 ** (at / 20.0)).float()

    spectrum = torch.fft.rfft(waveforms)
    bins = length // 2 + 1
    spectrum = nn.functional.pad(spectrum, (0, bins - spectrum.shape[-1]))  # a negative number cuts
    changed = slower * torch.fft.irfft(spectrum * gain(np.linspace(0.0, RATE / 2, bins)), length)
    place = int(rng.integers(length - wanted + 1))
    share = np.linspace(0.0, 1.0, power.shape[-1])
    moved = slower * np.interp(share * slower, share, power[0].numpy(), right=0.0)
    moved_power = torch.from_numpy(moved).float() * gain(share * RATE / 2).square()
    return Drawn(changed[..., place : place + wanted], moved_power[None], example.seconds)


class Training:
    """A refiner, what trains it, and the average of its weights."""

    def __init__(self, refiner: Refiner, learning_rate: float) -> None:
        self.refiner, self._learning_rate = refiner, learning_rate
        kernels = [
            module.weight
            for name, module in refiner.named_modules()
            if isinstance(module, nn.Conv2d) and not name.startswith("outputs")
        ]
        self._optimizer = ComplexMuon(refiner, lr=learning_rate, weight_decay=1e-4, real_kernels=kernels)
        self.average = torch.optim.swa_utils.AveragedModel(
            refiner, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(EMA), use_buffers=True
        )
        self.steps, self.minutes = 0, 0.0

    def step(self, batch: list[Drawn], share: float) -> float:
        """Learn from some examples; return how much better than the estimates the results are, in dB."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate * min(
                1.0, (self.steps + 1) / WARMUP_STEPS, (1.0 - share) / DECAY_SHARE
            )
        noisy, estimate, target = torch.stack([example.waveforms for example in batch], 1)
        power = torch.stack([example.power for example in batch])
        seconds = torch.stack([example.seconds.float() for example in batch])
        with torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16(torch.device("cpu"))):
            result = self.refiner(noisy, estimate, power, seconds)
        loss = error_ratio_loss(target, result)
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.refiner.parameters(), CLIP_NORM)
        self._optimizer.step()
        self.average.update_parameters(self.refiner)
        self.steps += 1
        return loss.item() - float(error_ratio_loss(target, estimate))

    def save(self, out: Path) -> None:
        """Weights for use, and all that is needed to go on."""
        weights = self.average.module.state_dict()
        save_file({name: value.contiguous() for name, value in weights.items()}, out)
        state = {name: getattr(self, name).state_dict() for name in ("refiner", "average", "_optimizer")}
        part = out.with_suffix(".part")
        torch.save({**state, "steps": self.steps, "minutes": self.minutes}, part)
        part.replace(out.with_suffix(".state"))

    def load(self, out: Path) -> None:
        """Go on where `save` was called, if it was."""
        if not out.with_suffix(".state").exists():
            return
        state = torch.load(out.with_suffix(".state"), weights_only=True)
        for name in ("refiner", "average", "_optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.steps, self.minutes = state["steps"], state["minutes"]


def draw(files: list[Path], sample_share: float, rng: np.random.Generator) -> list[Drawn]:
    """The examples of a step."""
    is_long = rng.random() < LONG_SHARE
    batch = []
    for index in rng.integers(len(files), size=1 if is_long else BATCH):
        example = read(files[index])
        if rng.random() >= sample_share:
            nothing = torch.zeros_like(example.power), torch.zeros_like(example.seconds)
            example = Drawn(example.waveforms, *nothing)
        elif rng.random() < UNCERTAIN_SHARE:
            example = uncertain(example, rng)
        wanted = min(RATE * (LONG_SECONDS if is_long else SHORT_SECONDS), example.waveforms.shape[-1])
        batch.append(altered(example, wanted, rng))
    return batch


def train(training: Training, arguments: argparse.Namespace) -> None:
    """Train until the time is spent."""
    training.refiner.train(not arguments.fixed_norms)
    training.refiner.spectrum.eval()
    rng = np.random.default_rng((arguments.seed, training.steps))
    before, saved, losses = training.minutes, time.monotonic(), []
    began, files = time.process_time(), []
    while training.minutes < arguments.minutes:
        if training.steps % 100 == 0 or not files:
            files = sorted(arguments.pool.glob("*.npz"))
        batch = draw(files, arguments.sample_share, rng)
        losses.append(training.step(batch, training.minutes / arguments.minutes))
        training.minutes = before + (time.process_time() - began) / 60.0
        if training.steps % 50 == 0:
            gain = f"{np.mean(losses[-200:]):+.3f} dB beside mixed"
            print(f"{training.minutes:.1f} min  step {training.steps}  {gain}", flush=True)
        if time.monotonic() - saved > SAVE_SECONDS:
            training.save(arguments.out)
            saved = time.monotonic()
    training.save(arguments.out)


def main() -> None:
    """Load what there is, train, and save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("pool", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    begin = parser.add_mutually_exclusive_group(required=True)
    begin.add_argument("--init", type=Path, help="weights to go on from")
    begin.add_argument("--spectrum", type=Path, help="weights of the family fine, for a new refiner")
    parser.add_argument("--sample-share", type=float, default=1.0, help="share that comes with a sample")
    parser.add_argument("--fixed-norms", action="store_true", help="norms as in use, with known averages")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--minutes", type=float, default=60.0, help="of processor time, in all")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(arguments.seed)
    refiner = Refiner()
    if arguments.init:
        refiner.load_state_dict(load_file(arguments.init))
    else:
        known = load_weights(arguments.spectrum)[0]
        assert isinstance(known, FineNet)
        refiner.spectrum.load_state_dict(known.spectrum.state_dict())
    refiner.spectrum.requires_grad_(requires_grad=False)
    training = Training(refiner, arguments.learning_rate)
    training.load(arguments.out)
    train(training, arguments)


if __name__ == "__main__":
    main()
