import json
import re

import pytest
from evaluation.examples import binary, multilabel

from lungscan_monai.errors import OutputError
from lungscan_monai.evaluation.report import build_report
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.evaluation.writing import write_report


@pytest.mark.parametrize("make", [binary, multilabel])
def test_the_page_links_only_to_files_that_are_there(make, tmp_path):
    report = build_report(make(), ReportSettings(n_resamples=50))
    page = write_report(report, tmp_path / "new" / "folder")
    assert json.loads((page.parent / "report.json").read_text(encoding="utf-8")) == report
    links = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    assert links
    assert all((page.parent / link).is_file() for link in links)
    assert not [path for path in page.parent.rglob("*.part")]


def test_a_fact_that_json_does_not_know_is_refused_before_anything_is_written(tmp_path):
    report = build_report(binary(), ReportSettings(n_resamples=20), facts={"loss": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        write_report(report, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_output_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError):
        write_report(build_report(binary(), ReportSettings(n_resamples=20)), tmp_path / "taken")
