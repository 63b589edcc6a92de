"""The course of a run as curves, read back with TensorBoard's own reader."""

from types import SimpleNamespace

from ignite.engine import Engine, Events
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lungscan_monai.handlers.tensorboard import HistoryToTensorBoard


def test_every_epoch_of_all_phases_is_a_point_of_the_curves(tmp_path):
    run = SimpleNamespace(history=[])
    for phase, losses in (("head", [0.5, 0.25]), ("fine-tuning", [0.125])):
        engine = Engine(lambda engine, batch: None)

        def record(engine, phase=phase, losses=losses):
            loss = losses[engine.state.epoch - 1]
            run.history.append({"phase": phase, "epoch": engine.state.epoch, "best": True, "train_loss": loss})

        engine.add_event_handler(Events.EPOCH_COMPLETED, record)
        HistoryToTensorBoard(run, tmp_path / "tensorboard").attach(engine)
        engine.run([0], max_epochs=len(losses))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["train_loss"]
    assert [(point.step, point.value) for point in events.Scalars("train_loss")] == [(1, 0.5), (2, 0.25), (3, 0.125)]
