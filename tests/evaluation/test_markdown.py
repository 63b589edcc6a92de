import pytest
from evaluation.examples import ALL, binary, multiclass, multilabel

from lungscan_monai.evaluation.calibrating import calibrated, fit_calibration
from lungscan_monai.evaluation.markdown import render_markdown
from lungscan_monai.evaluation.report import build_report
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.evaluation.wording import in_words


def page_of(predictions, **settings):
    return render_markdown(build_report(predictions, ReportSettings(n_resamples=50), **settings), ["roc.png"])


@pytest.mark.parametrize("kind", ALL)
def test_every_page_says_what_it_is_not_for_and_shows_its_figures(kind):
    page = page_of(ALL[kind]())
    assert "**Not for diagnosis**" in page
    assert "](figures/roc.png)" in page
    assert "ab12" in page


@pytest.mark.parametrize("kind", ALL)
def test_every_row_of_a_table_has_as_many_cells_as_its_header(kind):
    widths = []
    for line in page_of(ALL[kind]()).splitlines():
        widths = [*widths, line.count("|")] if line.startswith("|") else []
        assert len(set(widths)) <= 1, line


def test_numbers_stand_with_their_intervals():
    assert in_words({"value": 0.9123, "low": 0.88, "high": 0.94123}) == "0.912 (0.880 to 0.941)"
    assert (
        in_words({"value": 1.0, "low": None, "high": None, "no_interval": "because x"})
        == "1.000 (no interval because x)"
    )
    assert in_words({"not_computable": "because y"}) == "not computable because y"


def test_what_is_not_computable_is_said_with_its_reason():
    page = page_of(multilabel())
    assert "- Hernia: Sensitivity, F1, because there is no positive case." in page
    assert "- Fibrosis: ROC AUC" in page


def test_warnings_stand_first():
    page = page_of(binary(sections=("test",) * 150))
    assert page.index("the threshold is 0.5") < page.index("## What was evaluated")


def test_a_name_cannot_break_a_table_or_bring_html_in():
    page = page_of(binary(label_names=("Normal", "A|B <script>\nC")))
    assert "A\\|B &lt;script&gt; C" in page
    assert "<script>" not in page


def test_the_page_tells_what_a_calibration_changed():
    predictions = binary()
    calibration = fit_calibration(predictions, "validation")
    page = page_of(calibrated(predictions, calibration), calibration=calibration)
    assert "Platt scaling (slope and intercept of the log-odds), fitted on validation" in page
    assert f"- Pneumonia: slope {calibration.scalings[0].slope:.3f}" in page
    assert "The probabilities are the network's own" in page_of(predictions)
    temperature = fit_calibration(multiclass(), "validation")
    page = page_of(calibrated(multiclass(), temperature), calibration=temperature)
    assert f"temperature {1 / temperature.scalings[0].slope:.3f}" in page


def test_groups_of_the_datalist_are_tables():
    facts = {case: {"sex": "FM"[number % 2]} for number, case in enumerate(binary().case_ids)}
    page = page_of(binary(), case_facts=facts)
    assert "### sex" in page and "| F | 45 |" in page
    assert "## Subgroups" not in page_of(binary())


def test_sets_and_means_of_many_labels_are_tables():
    page = page_of(multilabel())
    assert "| Over the labels | Macro mean | Micro | Mean weighted by positives |" in page
    assert "Sets that hold the reference label" in page
