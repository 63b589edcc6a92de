"""What the analysis process makes of a job's answers."""

from __future__ import annotations

import pydicom
import pytest
from answers import IDENTITY, answered, refused, write_source
from pydicom.uid import BasicTextSRStorage

from lungscan_monai.errors import DataError
from lungscan_monai.node.analysing import Assignment
from lungscan_monai.node.analysis_process import outcome_of
from lungscan_monai.results.options import ResultOptions


@pytest.fixture
def job(tmp_path) -> Assignment:
    paths = tuple(write_source(tmp_path / f"{number}.dcm", number=number) for number in (1, 2, 3))
    return Assignment(7, paths, tmp_path / "results")


def test_an_image_without_a_result_keeps_no_other_images_results_back(job):
    answers = [answered(path, explained=False) for path in job.images]
    job.images[0].write_bytes(b"damaged")
    dataset = pydicom.dcmread(job.images[1])
    dataset.SOPClassUID = BasicTextSRStorage
    dataset.save_as(job.images[1])
    outcome = outcome_of(job, answers, IDENTITY, ResultOptions())
    assert outcome.error is None and len(outcome.results) == 3
    stored = [pydicom.dcmread(job.folder.parent / one.file) for one in outcome.results]
    assert sorted(one.Modality for one in stored) == ["OT", "SR", "SR"]
    assert [path for path, _ in outcome.unanswered] == list(job.images[:2])
    assert all(reason for _, reason in outcome.unanswered)


def test_a_job_without_any_result_has_failed(job):
    for path in job.images:
        path.unlink()
    with pytest.raises(DataError):
        outcome_of(job, [refused(path) for path in job.images], IDENTITY, ResultOptions())
