"""What the analysis process makes of a job's answers."""

from __future__ import annotations

import pydicom
import pytest
from answers import IDENTITY, answered, refused, write_source
from pydicom.uid import BasicTextSRStorage

from lungscan_monai.node.analysing import Assignment
from lungscan_monai.node.analysis_process import made_of, outcome_of
from lungscan_monai.results import making
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
    outcome = outcome_of(job, made_of(answers, IDENTITY, ResultOptions()))
    assert outcome.error is None and len(outcome.results) == 3
    stored = [pydicom.dcmread(job.folder.parent / one.file) for one in outcome.results]
    assert sorted(one.Modality for one in stored) == ["OT", "SR", "SR"]
    assert [path for path, _ in outcome.unanswered] == list(job.images[:2])
    assert all(reason for _, reason in outcome.unanswered)


def test_a_job_without_any_result_has_failed(job):
    for path in job.images:
        path.unlink()
    outcome = outcome_of(job, made_of([refused(path) for path in job.images], IDENTITY, ResultOptions()))
    assert outcome.error and outcome.results == () and not outcome.is_of_the_disk


def test_results_that_cannot_be_written_are_the_disks_fault_and_leave_nothing(job):
    job.folder.write_text("a file is in the way")
    outcome = outcome_of(job, made_of([answered(job.images[0])], IDENTITY, ResultOptions()))
    assert "cannot write here" in outcome.error and outcome.is_of_the_disk


def test_a_header_that_no_report_can_take_over_is_told_by_its_kind_alone(job, monkeypatch):
    monkeypatch.setattr(making, "coded_report", lambda _: (_ for _ in ()).throw(ValueError("Doe^Jane")))
    outcome = outcome_of(job, made_of([answered(job.images[0])], IDENTITY, ResultOptions()))
    assert "ValueError" in outcome.error and "Doe" not in outcome.error
