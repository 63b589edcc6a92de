import matplotlib
import numpy as np
import pytest
from evaluation.examples import ALL, binary
from PIL import Image

from lungscan_monai.evaluation.figures import draw_figures
from lungscan_monai.evaluation.report import build_report
from lungscan_monai.evaluation.settings import ReportSettings

NAMES = ["roc.png", "precision_recall.png", "reliability.png", "decision_curve.png", "risk_coverage.png", "scores.png"]
NAMES += ["confusion_matrix.png"]


@pytest.fixture(scope="module", params=ALL)
def drawn(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, draw_figures(build_report(ALL[request.param](), ReportSettings(n_resamples=50)), folder)


def test_each_kind_of_task_has_its_figures(drawn):
    kind, paths = drawn
    assert [path.name for path in paths] == (NAMES[:-1] if kind == "multilabel" else NAMES)


def test_no_figure_is_blank(drawn):
    for path in drawn[1]:
        pixels = np.asarray(Image.open(path).convert("L"))
        assert min(pixels.shape) >= 500
        assert 0.005 < (pixels < 250).mean() < 0.9


def test_equal_reports_give_equal_figures_and_no_global_state_changes(tmp_path):
    report, before = build_report(binary(), ReportSettings(n_resamples=50)), dict(matplotlib.rcParams)
    first, again = (draw_figures(report, tmp_path / name) for name in ("first", "again"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert dict(matplotlib.rcParams) == before


def test_a_label_name_is_never_read_as_mathematics(tmp_path):
    names = ("Normal", r"$\frac{$ cost")
    assert len(draw_figures(build_report(binary(label_names=names), ReportSettings(n_resamples=20)), tmp_path)) == len(
        NAMES
    )
