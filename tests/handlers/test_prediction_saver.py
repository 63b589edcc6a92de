"""The table that an inference run leaves."""

import csv

import numpy as np
import pytest
from ignite.engine import Engine

from lungscan_monai.errors import OutputError
from lungscan_monai.handlers.prediction_saver import PredictionSaver
from lungscan_monai.task import TaskSpec

TASK = TaskSpec("t", "?", "1", "binary", ("Normal", "=Ill"), (8, 8), 1, ("DX",), "Research only.")


def save(path, batches):
    def step(engine, batch):
        engine.state.output = [{"pred": np.array([1 - p, p])} for _, p in batch]
        engine.state.batch = [{"case": case} for case, _ in batch]
        return engine.state.output

    engine = Engine(step)
    PredictionSaver(path, TASK).attach(engine)
    engine.run(batches)
    with path.open(newline="") as stream:
        return list(csv.reader(stream))


def test_every_case_of_every_batch_is_a_row_sorted_by_case(tmp_path):
    rows = save(tmp_path / "new" / "p.csv", [[("b.png", 0.25), ("c.png", 1.0)], [("a.png", 0.0)]])
    assert rows[1:] == [
        ["a.png", "1.000000", "0.000000"],
        ["b.png", "0.750000", "0.250000"],
        ["c.png", "0.000000", "1.000000"],
    ]


def test_no_cell_is_a_formula_for_a_spreadsheet(tmp_path):
    rows = save(tmp_path / "p.csv", [[("=1+1.png", 0.5)]])
    assert rows == [["case", "Normal", "'=Ill"], ["'=1+1.png", "0.500000", "0.500000"]]


def test_a_file_in_the_place_of_the_folder_is_an_error_of_ours(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError):
        save(tmp_path / "taken" / "p.csv", [[("a.png", 0.5)]])
