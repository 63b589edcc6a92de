"""A bar on a terminal, a line for each epoch elsewhere; never on stdout, where results go."""

import logging
import sys

import pytest
from ignite.engine import Engine

from lungscan_monai.handlers.progress import ProgressHandler


def run(max_epochs=1, step=lambda engine, batch: None, **options):
    engine = Engine(step)
    ProgressHandler("training", **options).attach(engine)
    engine.run([1, 2], max_epochs=max_epochs)


def test_the_bar_is_drawn_on_stderr(monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run()
    out, errors = capsys.readouterr()
    assert out == ""
    assert "training" in errors and "2/2" in errors


def test_each_epoch_leaves_a_line_with_its_metrics(caplog):
    evaluator = Engine(lambda engine, batch: None)
    evaluator.state.metrics = {"roc_auc": 0.75}
    with caplog.at_level(logging.INFO, "lungscan_monai"):
        run(max_epochs=2, evaluator=evaluator)
    assert len(caplog.messages) == 2
    assert caplog.messages[1].startswith("training, epoch 2/2: ") and "roc_auc 0.7500" in caplog.messages[1]


def test_an_error_ends_the_bar_and_reaches_the_caller(monkeypatch, capsys):
    def fail(engine, batch):
        raise ValueError("of the step")

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with pytest.raises(ValueError, match="of the step"):
        run(step=fail)
    assert "\x1b[?25h" in capsys.readouterr().err  # the cursor is visible again
