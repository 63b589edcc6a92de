"""A training run of one or more phases that can be killed at any moment and resumed.

Phases follow each other on the same network: first the head on frozen features, say, then the top blocks. After each
phase the best weights so far are taken up again.
"""

from __future__ import annotations

import logging
import math
from typing import Any

from ignite import distributed as idist
from monai.engines import Trainer
from torch import nn

from lungscan_monai.checkpoints import CheckpointStore, unwrapped
from lungscan_monai.distributed import copy_from_first_rank, gather
from lungscan_monai.errors import CheckpointError, TrainingError
from lungscan_monai.model_files import require_unused
from lungscan_monai.storage import require_writable, write_json

logger = logging.getLogger(__name__)


class TrainingRun:
    """The memory of a run: what happened in every epoch, which was best, and how to go on.

    Args:
        store: Where checkpoints go.
        network: The network that all phases train.
        metric: Name of the validation metric that decides what is best; higher is better, NaN never is.
        settings: What must be equal on all ranks, and for a run to be resumed (seed, backbone, hash of the datalist).
    """

    def __init__(self, store: CheckpointStore, network: nn.Module, metric: str, settings: dict[str, Any]) -> None:
        self.store = store
        self.network = network
        self.metric = metric
        self.settings = settings
        self.history: list[dict[str, Any]] = []
        self._trainers: dict[str, Trainer] = {}
        self._stateful: dict[str, dict[str, Any]] = {}
        self._validated: dict[str, nn.Module] = {}

    def register(
        self, phase: str, trainer: Trainer, stateful: dict[str, Any], validated: nn.Module | None = None
    ) -> None:
        """Add the next phase.

        Args:
            phase: Its name.
            trainer: Its trainer.
            stateful: What must be restored with it (optimizer, schedule, average).
            validated: The network that is validated and saved, where it is not the one that is trained.
        """
        self._trainers[phase] = trainer
        self._stateful[phase] = stateful
        self._validated[phase] = validated or self.network

    def epoch_completed(self, phase: str, trainer: Trainer, numbers: dict[str, Any], store: bool) -> None:
        """Take in one epoch.

        Args:
            phase: Name of the phase.
            trainer: Its trainer.
            numbers: Loss, learning rate and validation metrics.
            store: Whether this rank writes the files.
        """
        is_best = _value(numbers, self.metric) > self._best()
        self.history.append({"phase": phase, "epoch": trainer.state.epoch, "best": is_best, **numbers})
        if not store:
            return
        if is_best:
            self.store.save_model(self._validated[phase], phase=phase, epoch=trainer.state.epoch, **_finite(numbers))
        self._save(phase, finished=False)

    def epochs_since_best(self, phase: str) -> int:
        """Return how many epochs of the phase passed since its last new best (all of them, if it had none)."""
        flags = [record["best"] for record in self.history if record["phase"] == phase]
        return flags[::-1].index(True) if True in flags else len(flags)

    def run(self, resume: bool = False, overwrite: bool = False) -> None:
        """Run all phases, or those that remain.

        A finished run goes on, too, if its last phase was given more epochs.

        Args:
            resume: Whether to go on from the stored state.
            overwrite: Whether a new training may replace the model of an earlier one.

        Raises:
            OutputError: If checkpoints cannot be written.
            CheckpointError: If there is nothing to resume, it is damaged, or it belongs to other settings; or if a new
                training would replace a model.
            NonFiniteLossError: If the loss became NaN or infinite.
            TrainingError: If the ranks have other settings or other cases.
        """
        self._require_agreement()
        if not (resume or overwrite):
            require_unused(self.store.folder)
        if idist.get_rank() == 0:
            require_writable(self.store.folder)
        finished = self._restore() if resume else []
        epochs_before = len(self.history)
        for phase, trainer in self._trainers.items():
            if phase in finished or not trainer.state.max_epochs:
                continue
            trainer.run()
            self._finish(phase)
        if len(self.history) == epochs_before:
            logger.info("nothing left to do: %s", ", ".join(map(self._extent, self._trainers)))

    def _require_agreement(self) -> None:
        """Ranks that differ would wait for each other for ever."""
        every = gather(self.settings)
        different = [name for name in self.settings if any(settings[name] != self.settings[name] for settings in every)]
        if different:
            values = "; ".join(f"{name}: {[settings[name] for settings in every]}" for name in different)
            raise TrainingError(
                f"the processes of this run differ (first process first) in {values}; do all see the same files?"
            )

    def _finish(self, phase: str) -> None:
        if idist.get_rank() == 0:
            self._save(phase, finished=True)  # with the weights of the last epoch: more epochs go on from there
        self._take_best()
        logger.info("phase %s, best %s so far %.4f", self._extent(phase), self.metric, self._best())

    def _take_best(self) -> None:
        idist.barrier()
        if self._best() > -math.inf:
            self.store.load_model(self.network)
        copy_from_first_rank(unwrapped(self.network))

    def _save(self, phase: str, finished: bool) -> None:
        self.store.save_state(
            {
                "settings": self.settings,
                "phase": phase,
                "epoch": self._trainers[phase].state.epoch,
                "finished": finished,
                "network": unwrapped(self.network).state_dict(),
                "stateful": {name: part.state_dict() for name, part in self._stateful[phase].items()},
                "history": self.history,
            }
        )
        records = [_finite(record) for record in self.history]
        write_json(self.store.folder / "history.json", {"metric": self.metric, "epochs": records})

    def _restore(self) -> list[str]:
        state = self.store.load_state()
        different = {
            name: (value, self.settings.get(name))
            for name, value in state["settings"].items()
            if value != self.settings.get(name)
        }
        if different:
            changes = "; ".join(f"{name} was {old}, now {new}" for name, (old, new) in different.items())
            raise CheckpointError(f"{self.store.folder}: cannot resume a run with other settings: {changes}")
        unwrapped(self.network).load_state_dict(state["network"])
        self.history = state["history"]
        phase, trainer = state["phase"], self._trainers[state["phase"]]
        finished = list(self._trainers)[: list(self._trainers).index(phase)]
        if state["epoch"] >= trainer.state.max_epochs or (state["finished"] and phase != self._last_phase()):
            self._take_best()
            return [*finished, phase]
        for name, part in self._stateful[phase].items():
            part.load_state_dict(state["stateful"][name])
        trainer.state.epoch = state["epoch"]
        trainer.state.iteration = state["epoch"] * trainer.state.epoch_length
        return finished

    def _last_phase(self) -> str:
        return [phase for phase, trainer in self._trainers.items() if trainer.state.max_epochs][-1]

    def _best(self) -> float:
        return max((_value(record, self.metric) for record in self.history), default=-math.inf)

    def _extent(self, phase: str) -> str:
        epochs = sum(record["phase"] == phase for record in self.history)
        return f"{phase}: {epochs} of at most {self._trainers[phase].state.max_epochs} epochs"


def _value(numbers: dict[str, Any], metric: str) -> float:
    value = numbers.get(metric, math.nan)
    return -math.inf if math.isnan(value) else value


def _finite(numbers: dict[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in numbers.items()
    }
