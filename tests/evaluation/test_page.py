from __future__ import annotations

import copy
import json
import re

import cv2
import numpy as np
import pytest
from browsing import chromium, watched_page
from evaluation.examples import ALL, binary, multiclass, multilabel
from page_reader import PageReader

from lungscan_monai.evaluation.calibrating import calibrated, fit_calibration
from lungscan_monai.evaluation.error_gallery import KINDS
from lungscan_monai.evaluation.page import FILE_NAMES, render_in, render_page
from lungscan_monai.evaluation.page_checklist import CLAIM, TRIPOD
from lungscan_monai.evaluation.page_explanations import shown_files
from lungscan_monai.evaluation.page_pictures import small_pictures
from lungscan_monai.evaluation.report import build_report
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.evaluation.words import LANGUAGES, Words, placeholders
from lungscan_monai.evaluation.words_en import ENGLISH
from lungscan_monai.evaluation.writing import write_report
from lungscan_monai.transforms.small_pictures import SmallPicture

EVIL = '<script>alert("x")</script>\'&'
GREEK = ("αλφα", "βητα", "γαμμα", "δελτα")
TEN_MB = 10_000_000


def reported(predictions, **changes):
    calibration = fit_calibration(predictions, "validation")
    rng = np.random.default_rng(5)
    known = {case: {"sex": "FM"[rng.integers(2)], "age": int(rng.integers(1, 95))} for case in predictions.case_ids}
    report = build_report(
        calibrated(predictions, calibration),
        ReportSettings(n_resamples=20),
        calibration=calibration,
        case_facts=known,
        facts={"task": "α", "versions": {"β": "1.2"}},
    )
    return report | explained(report["label_names"]) | changes


def explained(names):
    """Return what an evaluation adds to a report: the check of inputs, the measures and the gallery."""
    case = {"case": "ε", "reference": names[0], "predicted": names[1], "probability": 0.75}
    case |= {"picture": "a.png", "heatmap": "b.png"}
    share = {"value": 0.011, "low": 0.002, "high": 0.06, "interval": "Wilson, cases taken as independent"}
    method = (
        "distance of the pooled features, at length 1, to the 10th nearest of 60 cases of validation; familiar up to "
    )
    half = {"value": 0.5, "low": 0.1, "high": 0.9, "by_chance": 0.125, "resamples_left_out": 0}
    nothing = {"not_computable": "because there is no such case"}
    check = {"quantile": 0.995, "limit": 0.1, "fitted_cases": 60, "cases": 90, "not_assessable": 1, "share": share}
    return {
        "input_check": check | {"method": f"{method}the quantile of these cases themselves"},
        "explanations": {
            "folder": "explanations", "method": "ζ", "layer": "η", "cases": 12,
            "localisation": {
                "findings": 7, "patients": 5, "pointing_game": half, "saliency_inside": half, "iou": half,
                "called": {"cases": 4, "pointing_game_called": half},
                "labels": [
                    {"label": names[1], "findings": 7, "pointing_game": half, "saliency_inside": half, "iou": half},
                ],
            },
            "faithfulness": {"cases": 12, "grid": [16, 16], "deletion_gain": half, "insertion_gain": nothing},
            "weights": {"cases": 12, "rank_correlation_head_and_upper_half": half, "ssim_whole_network": half},
            "shortcuts": {"cases": 12, "outside_body": half, "border": half, "text": nothing},
        },
        "model": {"question": "ι", "network": {"κ": "λ"}, "views": [], "image_size": [3, 4]},
        "error_gallery": [{"label": names[1], **dict.fromkeys(KINDS, [case])}],
    }  # fmt: skip


@pytest.fixture(scope="module")
def reports():
    return {kind: reported(make()) for kind, make in ALL.items()}


@pytest.fixture(scope="module")
def pages(reports):
    return {(kind, code): render_page(report, code) for kind, report in reports.items() for code in LANGUAGES}


def all_pages(pages):
    return [(name, PageReader(page)) for name, page in pages.items()]


def test_a_page_loads_nothing_and_leads_nowhere_but_to_its_parts_and_its_translation(pages):
    for (_, code), page in all_pages(pages):
        links = page.values("href", "src", "action", "srcset")
        own = {f"#{name}" for name in page.values("id")}
        translations = {name for other, name in FILE_NAMES.items() if other != code}
        assert {link for link in links if not link.startswith("data:")} <= own | translations
        assert translations <= set(links)


def test_headings_descend_step_by_step_and_anchors_are_unique(pages):
    for _, page in all_pages(pages):
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
        assert len(page.values("id")) == len(set(page.values("id")))


def test_tables_have_names_headings_and_full_rows(pages):
    for _, page in all_pages(pages):
        assert page.rows
        assert all(len(set(widths)) == 1 for widths in page.rows)
        assert len(page.tags("caption")) == len(page.rows)
        assert all(heading["scope"] in ("row", "col") for heading in page.tags("th"))


def test_whoever_cannot_see_a_picture_is_told_what_it_shows(reports):
    picture = SmallPicture(b"x", 4, 3)
    page = PageReader(render_page(reports["binary"], "en", {"a.png": picture, "b.png": picture}))
    assert len(page.tags("img")) == 6
    assert all(image["alt"] for image in page.tags("img"))
    assert all(chart.get("aria-label") or chart.get("aria-hidden") for chart in page.tags("svg"))


@pytest.mark.parametrize("kind", ALL)
def test_every_word_comes_from_the_catalogue(kind):
    """In a language whose texts are only their placeholders, nothing is left but names that the data bring."""
    mute = {key: " ".join(f"{{{name}}}" for name in sorted(placeholders(text))) for key, text in ENGLISH.items()}
    predictions = ALL[kind]()
    renamed = ALL[kind](label_names=GREEK[: len(predictions.label_names)], facts={})
    for report in (reported(renamed), reported(without_validation(renamed))):
        picture = SmallPicture(b"x", 4, 3)
        page = PageReader(render_in(Words("xx", mute, ".", ","), report, {"a.png": picture}))
        seen = " ".join([*page.texts, *page.values("aria-label", "alt", "title")])
        assert set(re.findall("[A-Za-z]{2,}", seen)) <= {"English", "Bahasa", "Indonesia"}


def without_validation(predictions):
    """Return predictions of test cases only, all of one patient each, as a careless datalist has them."""
    patients = ("θ",) * 2 + (None,) * (len(predictions.case_ids) - 2)
    sections = ("training", *("test",) * (len(predictions.case_ids) - 1))
    changes = {"sections": sections, "patients": patients, "label_names": predictions.label_names, "facts": {}}
    return ALL[predictions.kind](**changes)


def test_the_same_report_gives_the_same_bytes(reports):
    for report in reports.values():
        again = json.loads(json.dumps(report))
        assert all(render_page(report, code) == render_page(again, code) for code in LANGUAGES)


def test_numbers_stand_on_the_page_as_the_report_has_them(reports):
    auc = reports["binary"]["labels"][0]["metrics"]["roc_auc"]
    english = "{value:.3f} ({low:.3f} to {high:.3f})".format(**auc)
    assert english in render_page(reports["binary"])
    assert english.replace(".", ",").replace("to", "sampai") in render_page(reports["binary"], "id")


def test_what_is_not_computable_is_said_with_its_reason_in_both_languages(pages):
    assert "because only one class is present (0 positive, 90 negative cases)" in pages["multilabel", "en"]
    assert "karena hanya ada satu kelas (0 kasus positif, 90 kasus negatif)" in pages["multilabel", "id"]


def test_many_warnings_are_one_list(reports):
    few, many = (render_page(reports["binary"] | {"warnings": ["x"] * n}) for n in (4, 23))
    assert few.count("Warning:") == 4
    assert "23 warnings:" in many
    assert "Warning:" not in many


def test_explanations_are_shown_with_what_chance_would_give(pages):
    english = PageReader(pages["binary", "en"]).texts
    start = english.index("the peak of the map lies on the finding (pointing game)")
    assert english[start + 1 : start + 5] == ["0.500", "(0.100 to 0.900)", "0.125", "7"]
    assert "tidak dapat dihitung" in pages["binary", "id"]


def test_a_browser_asks_no_host_complains_of_nothing_and_sorts(pages, tmp_path):
    (tmp_path / "page.html").write_text(pages["multilabel", "id"], encoding="utf-8")
    with chromium() as opened, watched_page(opened) as watched:
        watched.page.goto((tmp_path / "page.html").as_uri())
        heading = watched.page.locator("th[scope=col]:has(button)").first
        rows = heading.locator("xpath=ancestor::table").locator("tbody tr > :first-child")
        heading.locator("button").click()
        names = rows.all_inner_texts()
        assert (heading.get_attribute("aria-sort"), names) == ("ascending", sorted(names))
        assert watched.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert (watched.hosts, watched.complaints) == ({""}, [])


def test_the_model_is_described_as_its_bundle_states_it(pages, reports):
    for code in LANGUAGES:
        texts = PageReader(pages["binary", code]).texts
        assert {"ι", "κ λ", "3, 4"} <= set(texts)
    assert "model-heading" not in render_page(
        {name: part for name, part in reports["binary"].items() if name != "model"}
    )


def test_no_name_brings_markup_into_a_page():
    names = (EVIL, f"{EVIL}2")
    report = reported(binary(label_names=names, facts={EVIL: EVIL}), warnings=[EVIL])
    report["facts"] |= {"task": EVIL, "command": EVIL}
    report["explanations"] |= {"method": EVIL, "layer": EVIL}
    report["subgroups"][0] |= {"fact": EVIL}
    report["subgroups"][0]["groups"][0] |= {"value": EVIL}
    report["error_gallery"][0]["confident"][0] |= {"case": EVIL, "reference": EVIL}
    for code in LANGUAGES:
        page = PageReader(render_page(report, code))
        assert len(page.tags("script")) == 1
        assert EVIL in " ".join(page.texts)


def test_no_file_of_a_case_is_named_since_its_name_may_be_a_patients(reports):
    report = copy.deepcopy(reports["binary"])
    report["error_gallery"][0]["confident"][0]["case"] = "Suharti_1961/front.png"
    assert "Suharti" not in render_page(report)


def test_a_page_stays_small_however_much_there_is_to_show(reports, tmp_path):
    report = copy.deepcopy(reports["multilabel"])
    rng = np.random.default_rng(0)
    names = [f"{index}.png" for index in range(160)]
    for name in names:
        cv2.imwrite(str(tmp_path / name), rng.integers(0, 256, (256, 256, 3), dtype=np.uint8))
    case = report["error_gallery"][0]["confident"][0]
    report["error_gallery"][0]["confident"] = [case | {"picture": name, "heatmap": None} for name in names]
    report["labels"] *= 60
    report["subgroups"][0]["groups"] *= 500
    pictures = small_pictures(tmp_path, shown_files(report))
    page = render_page(report, "en", pictures)
    assert 0 < len(pictures) < len(names)
    assert len(page.encode()) < TEN_MB
    left_out = len([name for name in shown_files(report) if name not in pictures])
    assert f"{left_out} pictures are left out" in page
    assert "more rows are in report.json" in page


def test_checklists_name_every_item_once_and_say_where_the_answer_is(pages):
    assert len(numbers(CLAIM)) == 44
    assert len(numbers(TRIPOD)) == 27
    assert "no gallery of errors" not in pages["binary", "en"]


def numbers(items):
    """Return the main numbers of the items, each once."""
    found = []
    for item in items:
        first, last = (re.match(r"\d*", part)[0] for part in (item.numbers.split("-")[0], item.numbers.split("-")[-1]))
        found += range(int(first), int(last or first) + 1)
    return sorted(set(found))


def test_an_item_whose_evidence_is_missing_is_not_called_answered(reports):
    bare = {name: part for name, part in reports["binary"].items() if name not in ("explanations", "error_gallery")}
    page = render_page(bare | {"subgroups": [], "input_check": {"not_computable": "because none was asked for"}})
    for reason in ("nothing was explained", "no gallery of errors", "records no groups", "inputs were not checked"):
        assert reason in page


def test_a_gallery_of_empty_lists_is_no_gallery(reports):
    page = render_page(reports["binary"] | {"error_gallery": [{"label": "B", **dict.fromkeys(KINDS, [])}]})
    assert 'id="errors"' not in page and "no gallery of errors" in page


@pytest.mark.parametrize("make", [binary, multiclass, multilabel])
def test_a_report_is_written_in_both_languages(make, tmp_path):
    report = build_report(make(), ReportSettings(n_resamples=20))
    write_report(report, tmp_path)
    for code, name in FILE_NAMES.items():
        page = (tmp_path / name).read_text(encoding="utf-8")
        assert f'<html lang="{code}">' in page
        assert page == render_page(json.loads((tmp_path / "report.json").read_text(encoding="utf-8")), code)
