"""``musicdenoise train``."""

from __future__ import annotations

import json
import math
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from musicdenoise.cli import train_options as options
from musicdenoise.cli.common import choose_device, note, takes, warn
from musicdenoise.cli.fields import describe
from musicdenoise.errors import UsageError

if TYPE_CHECKING:
    from musicdenoise.core.families import Network
    from musicdenoise.training.config import TrainConfig
    from musicdenoise.training.loop import Progress, RunReport
    from musicdenoise.training.sources import TrainingData


@takes(options.Request, options.PANELS)
def train(request: options.Request) -> None:
    """Train a network by Noise2Noise: from songs mixed with noise on the fly, or from a dataset.

    The run folder gets the configuration, the history of validations with pictures, a checkpoint every few
    minutes, and the best weights so far (best.safetensors). To use several GPUs or machines, start it with
    torchrun --nproc-per-node N -m musicdenoise train ...; with --max-restarts, it goes on if a process ends.
    """
    if (request.data is None) == (request.songs is None):
        raise UsageError("a run needs data: give either a dataset, or songs to mix with noise (--songs)")
    _Command(request).run()


class _Command:
    """One call of the command: from a request to a run and its report."""

    def __init__(self, request: options.Request) -> None:
        self.request = request

    def run(self) -> None:
        from musicdenoise.training.distributed import Topology
        from musicdenoise.training.loggers import check_loggers

        request = self.request
        device = choose_device(request.device, cuda=request.cuda)
        is_first = Topology.from_environment().is_first
        if is_first:
            check_loggers(request.logger or ())  # before any long work
        initial = self._initial()
        config = self._config(initial)
        data = self._data(config)
        config = self._with_epochs(config, data)
        if request.noise is None:
            config = replace(config, noise_kind=data.noise_kind)
        out = request.out or Path("runs") / config.noise_kind
        if request.resume and is_first:
            self._warn_of_changes(config, out)
        report = self._train(config, data, out, device, initial, is_first=is_first)
        if is_first:
            self._tell(report)

    def _config(self, initial: Network | None) -> TrainConfig:
        from musicdenoise.kinds import parse_kind
        from musicdenoise.training.recipe import build_config, load_recipe

        request = self.request
        recipe = {} if request.recipe is None else load_recipe(request.recipe)
        given = options.overrides(request, None if request.noise is None else parse_kind(request.noise))
        lengths = [name for name in ("minutes", "steps", "epochs") if getattr(request, name) is not None]
        if not lengths and not {"minutes", "steps"} & recipe.keys():
            raise UsageError("a run needs an end: give --minutes, --steps or --epochs")
        if "epochs" in lengths:
            if "steps" in lengths:
                raise UsageError("--epochs and --steps both count: give one of them")
            given = replace(given, steps=1)  # until the size of the data is known
        return build_config(recipe, given, None if initial is None else initial.config)

    def _initial(self) -> Network | None:
        from musicdenoise.weights.loading import load_network
        from musicdenoise.weights.store import resolve_weights

        init = self.request.init
        return None if init is None else load_network(resolve_weights(init).path)[0]

    def _data(self, config: TrainConfig) -> TrainingData:
        from musicdenoise.data.shards import dataset_folder
        from musicdenoise.training.sources import mixed_on_the_fly, pairs_on_disk
        from musicdenoise.weights.store import cache_folder

        request = self.request
        cache = request.cache or cache_folder() / "decoded"
        if request.data is not None:
            folder = dataset_folder(request.data, request.cache or cache_folder(), warn)
            kind = None if request.noise is None else config.noise_kind
            return pairs_on_disk(
                config,
                folder,
                valid_kind=kind,
                cache=cache,
                valid_songs=request.valid_songs,
                valid_noises=request.valid_noises,
                root=request.root,
            )
        assert request.songs is not None  # one of the two is given
        note("Decoding songs and noises (once) ...")
        return mixed_on_the_fly(
            config,
            request.songs,
            noises=request.noises,
            cache=cache,
            valid_songs=request.valid_songs,
            valid_noises=request.valid_noises,
            on_failure=lambda error: warn(f"{describe(error)}; this song is left out"),
        )

    def _with_epochs(self, config: TrainConfig, data: TrainingData) -> TrainConfig:
        epochs = self.request.epochs
        if epochs is None:
            return config
        steps = data.source.epoch_size / config.batch_size
        if not 0 < epochs * steps < math.inf:
            raise UsageError(f"--epochs is {epochs:g}; it must be positive and finite")
        every = self.request.validate_every or max(1, round(steps))
        return replace(config, steps=max(1, math.ceil(epochs * steps)), validate_every_steps=every)

    def _warn_of_changes(self, config: TrainConfig, out: Path) -> None:
        from musicdenoise.training.config import changed_settings
        from musicdenoise.training.records import CONFIG

        changes = changed_settings(config, out / CONFIG)
        if changes:
            warn(f"the run began with other settings, so it will go on differently: {'; '.join(changes)}")

    def _train(
        self,
        config: TrainConfig,
        data: TrainingData,
        out: Path,
        device: str,
        initial: Network | None,
        *,
        is_first: bool,
    ) -> RunReport:
        from musicdenoise.cli.progress import training_progress
        from musicdenoise.runtime.device import resolve_device
        from musicdenoise.training.loop import train as run_training

        as_json = self.request.as_json and is_first
        with ExitStack() as stack:
            show = stack.enter_context(training_progress(is_first=is_first))

            def on_progress(progress: Progress) -> None:
                show(progress)
                if as_json and progress.record is not None:
                    print(json.dumps({"event": "validation", **progress.record}), flush=True)  # noqa: T201

            return run_training(
                config,
                data.source,
                data.validation,
                out,
                device=resolve_device(device),
                data=data.description,
                licence=self.request.licence,
                initial=initial,
                resume=self.request.resume,
                workers=self.request.workers,
                loggers=self.request.logger or None,
                on_progress=on_progress,
            )

    def _tell(self, report: RunReport) -> None:
        if self.request.as_json:
            document = {
                "event": "done",
                "best": str(report.best),
                "snr_improvement_db": report.best_db,
                "steps": report.steps,
                "seconds": round(report.seconds, 1),
            }
            print(json.dumps(document), flush=True)  # noqa: T201
        if report.best_db < 0.0:
            warn(
                f"{report.best}: makes songs worse than doing nothing ({report.best_db:+.2f} dB); train for "
                "longer, or start from other weights with --init"
            )
        note(
            f"Best weights: {report.best} (mean SNR improvement {report.best_db:+.2f} dB, {report.steps} "
            "steps)",
        )
