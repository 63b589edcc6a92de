"""The numbers of a data report: everything that the page shows, but for the pictures."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lungscan_monai.data.datalist import SECTIONS, Case, Datalist
from lungscan_monai.data_report.associations import SIGNIFICANT, STRONG, association
from lungscan_monai.data_report.facts import UNKNOWN, Fact, given_facts, image_facts
from lungscan_monai.data_report.findings import findings
from lungscan_monai.data_report.looking import BINS, Look, look_at_all
from lungscan_monai.data_report.twins import find_twins
from lungscan_monai.errors import ReadError

SAMPLES = 8
"""Pictures shown of each class, if there are not too many classes."""

_SAMPLES_OF_ALL = 480

NONE_OF_THESE = "none of these"
"""What the cases of a multi-label set without any finding are called."""


def build_data_report(
    datalist: Datalist,
    dataset_dir: str | os.PathLike | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Read every image of a data set once and count what is in it.

    Args:
        datalist: What to describe. Images that are missing or cannot be read are listed.
        dataset_dir: Folder of the images, if they were moved since the import.
        seed: Chooses the pictures that are shown of each class.
        progress: Called with the number of images read and the number of all.

    Returns:
        JSON values only; docs/data-report.md describes them. No patient is named.
    """
    placed = [(section, case) for section in SECTIONS for case in datalist.cases(section)]
    sections, cases = [section for section, _ in placed], [case for _, case in placed]
    root = datalist.file_of("", dataset_dir)
    looks = look_at_all([str(root / case.image) for case in cases], progress)
    members = _members(datalist, cases)
    readable = [index for index, look in enumerate(looks) if isinstance(look, Look)]
    given, left_out = given_facts(cases)
    identical, near = find_twins(
        [cases[index] for index in readable],
        [sections[index] for index in readable],
        [looks[index] for index in readable],
    )
    report = {
        "name": datalist.name,
        "kind": datalist.kind,
        "labels": list(datalist.labels),
        "groups": list(members),
        "datalist_sha256": datalist.sha256,
        "split_method": datalist.split.get("method"),
        "seed": seed,
        "cases": len(cases),
        "sections": {name: _section_counts(name, sections, cases, members) for name in SECTIONS},
        "patients": len({case.patient for case in cases} - {None}),
        "patients_across": _patients_across(sections, cases),
        "unreadable": [
            {"case": case.id, "section": section, "code": look.code, "reason": look.reason}
            for section, case, look in zip(sections, cases, looks, strict=True)
            if isinstance(look, ReadError)
        ],
        "blank": [cases[index].id for index in readable if looks[index].blank],
        "sizes": _sizes(looks, members),
        "shades": _shades(looks, members),
        "facts": [_fact_entry(fact, datalist, sections, cases, members) for fact in (*given, *image_facts(looks))],
        "facts_left_out": left_out,
        "warned_from": {"cramers_v": STRONG, "p_value": SIGNIFICANT},
        "identical": identical,
        "near": near,
        "samples": _samples(cases, looks, members, seed),
    }
    return {"findings": findings(report), **report}


def _members(datalist: Datalist, cases: Sequence[Case]) -> dict[str, np.ndarray]:
    """Return for each class, or finding, which cases have it; shape ``(n_cases,)``, bool."""
    if datalist.kind != "multilabel":
        indices = np.array([case.label for case in cases])
        return {name: indices == index for index, name in enumerate(datalist.labels)}
    table = np.array([[value == 1 for value in case.label] for case in cases])
    found = {name: table[:, index] for index, name in enumerate(datalist.labels)}
    return found if NONE_OF_THESE in found else {**found, NONE_OF_THESE: ~table.any(axis=1)}


def _section_counts(
    name: str, sections: Sequence[str], cases: Sequence[Case], members: dict[str, np.ndarray]
) -> dict[str, Any]:
    inside = np.array([section == name for section in sections])
    here = [case for case, wanted in zip(cases, inside, strict=True) if wanted]
    return {
        "cases": len(here),
        "patients": len({case.patient for case in here} - {None}),
        "unknown_patient": sum(case.patient is None for case in here),
        "groups": [int(np.count_nonzero(member & inside)) for member in members.values()],
    }


def _patients_across(sections: Sequence[str], cases: Sequence[Case]) -> int:
    places: dict[str, set[str]] = defaultdict(set)
    for section, case in zip(sections, cases, strict=True):
        if case.patient is not None:
            places[case.patient].add(section)
    return sum(len(found) > 1 for found in places.values())


def _chosen(looks: Sequence[Look | ReadError], member: np.ndarray) -> list[Look]:
    return [look for look, wanted in zip(looks, member, strict=True) if wanted and isinstance(look, Look)]


def _sizes(looks: Sequence[Look | ReadError], members: dict[str, np.ndarray]) -> list[dict[str, Any] | None]:
    """Return for each group the spread of width, height and aspect ratio; None where there is no readable picture."""
    entries = []
    for member in members.values():
        found = _chosen(looks, member)
        columns = {
            "width": [look.width for look in found],
            "height": [look.height for look in found],
            "aspect": [look.width / look.height for look in found],
        }
        entries.append({name: _spread(values) for name, values in columns.items()} if found else None)
    return entries


def _spread(values: Sequence[float]) -> dict[str, float]:
    low, middle, high = np.quantile(values, (0, 0.5, 1))
    return {"low": round(float(low), 4), "median": round(float(middle), 4), "high": round(float(high), 4)}


def _shades(looks: Sequence[Look | ReadError], members: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the histograms: the mean over the pictures of a group, so that each counts alike whatever its size."""
    every = np.ones(len(looks), dtype=bool)
    return {
        "bins": BINS,
        "all": _shade_entry(_chosen(looks, every)),
        "groups": [_shade_entry(_chosen(looks, member)) for member in members.values()],
    }


def _shade_entry(found: Sequence[Look]) -> dict[str, Any] | None:
    if not found:
        return None
    means = np.array([look.mean for look in found])
    share = np.mean([look.histogram for look in found], axis=0)
    return {
        "images": len(found),
        "share": [round(float(value), 6) for value in share],
        "mean": round(float(means.mean()), 4),
        "sd_of_means": round(float(means.std()), 4),
    }


def _fact_entry(
    fact: Fact, datalist: Datalist, sections: Sequence[str], cases: Sequence[Case], members: dict[str, np.ndarray]
) -> dict[str, Any]:
    values, places = np.array(fact.values), np.array(sections)
    rows = []
    for value in fact.order:
        has = values == value
        by_section = {name: int(np.count_nonzero(has & (places == name))) for name in SECTIONS}
        by_group = [int(np.count_nonzero(has & member)) for member in members.values()]
        rows.append({"value": value, "sections": by_section, "groups": by_group})
    links = [_link(fact, label, column) for label, column in _label_columns(datalist, cases)]
    return {
        "name": fact.name,
        "of_image": fact.of_image,
        "known": sum(value != UNKNOWN for value in fact.values),
        "values": rows,
        "predicts": [link for link in links if link is not None],
    }


def _link(fact: Fact, label: str | None, column: Sequence[int]) -> dict[str, Any] | None:
    """Measure how well a fact predicts a label; None where there is nothing to predict."""
    counts = np.zeros((len(fact.order), max(column, default=0) + 1))
    for value, place in zip(fact.values, column, strict=True):
        if place >= 0:
            counts[fact.order.index(value), place] += 1
    found = association(counts)
    return found and {
        "label": label,
        "cramers_v": round(found.cramers_v, 4),
        "p_value": float(f"{found.p_value:.3g}"),
        "guessed": round(found.guessed, 4),
        "commonest": round(found.commonest, 4),
        "strong": found.strong,
    }


def _label_columns(datalist: Datalist, cases: Sequence[Case]) -> list[tuple[str | None, list[int]]]:
    """Return what a fact may predict: the class, or each finding by itself; -1 where it was not assessed."""
    if datalist.kind != "multilabel":
        return [(None, [case.label for case in cases])]
    columns = zip(*(case.label for case in cases), strict=True)
    return [
        (name, [-1 if value is None else value for value in column])
        for name, column in zip(datalist.labels, columns, strict=True)
    ]


def _samples(
    cases: Sequence[Case], looks: Sequence[Look | ReadError], members: dict[str, np.ndarray], seed: int
) -> list[list[str]]:
    """Draw pictures of each group, a picture of several findings once only where possible."""
    random = np.random.default_rng(seed)
    of_each = min(SAMPLES, max(1, _SAMPLES_OF_ALL // len(members)))
    shown: Counter[str] = Counter()
    samples = []
    for member in members.values():
        ids = [case.id for case, look, has in zip(cases, looks, member, strict=True) if has and isinstance(look, Look)]
        order = sorted(random.permutation(len(ids)), key=lambda index: shown[ids[index]])
        samples.append([ids[index] for index in order[:of_each]])
        shown.update(samples[-1])
    return samples
