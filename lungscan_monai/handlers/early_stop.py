"""End a phase that no longer gets better."""

from __future__ import annotations

from ignite.engine import Engine, Events

from lungscan_monai.training import TrainingRun


class EarlyStopHandler:
    """Stop a trainer when the run's metric has not reached a new best for `patience` epochs of the phase.

    The decision rests on the recorded history, which all ranks share and which a resumed run restores. Place it after
    the checkpoint handler.

    Args:
        run: The training run.
        phase: Name of the phase.
        patience: Epochs to wait, at least 1.
    """

    def __init__(self, run: TrainingRun, phase: str, patience: int) -> None:
        self.run = run
        self.phase = phase
        self.patience = patience

    def attach(self, engine: Engine) -> None:
        """Decide after every epoch of `engine`, and before the first, which a resumed phase may not need any more."""
        engine.add_event_handler(Events.STARTED | Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Stop `engine` if it is time."""
        if self.run.epochs_since_best(self.phase) >= self.patience:
            engine.terminate()
