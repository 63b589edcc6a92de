"""Files of one or several studies through a model: one answer for each radiograph, one for each series of slices.

What sends results somewhere, or shows them, starts from here: the node, the servers, `lungscan predict --dicom-out`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from lungscan_monai.gate.admitting import admit
from lungscan_monai.inference.ahead import in_order
from lungscan_monai.inference.answering import NOT_ASSESSABLE, Prediction, Reject
from lungscan_monai.inference.case_model import CaseModel
from lungscan_monai.inference.image_facts import SLICED, ImageFacts, facts_of
from lungscan_monai.inference.opening import ReadFile
from lungscan_monai.inference.refusals import NOT_READ, refusal_of
from lungscan_monai.inference.series import SeriesAnswer, Slice, answer_for_series
from lungscan_monai.metrics.decisions import DEFAULT_THRESHOLD
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.task import LabelCode

METHOD = "gradcam"
"""Method of the heatmaps."""

_THREADS = 2


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Where a model looked for one label of one picture.

    Args:
        source: The file.
        label: The label explained.
        method: How the map was made.
        saliency: In [0, 1], shape ``(H, W)``; it covers the whole picture, whatever its proportions.
        image: The picture as it was read, in [0, 1], shape ``(H', W')``, dark = 0.
    """

    source: Path
    label: str
    method: str
    saliency: np.ndarray
    image: np.ndarray


@dataclass(frozen=True, eq=False)
class Analysed:
    """What a model says about one radiograph, or one series of slices.

    Args:
        sources: The files that the answer is about; of a series those that took part, in the order of their names.
        answer: The answer, or why there is none; its case is the file as it was named, or the series' UID.
        heatmaps: For the label decided, or the findings called present; of a series on the slice that speaks for it
            most. Empty for a reject, and where the model does not explain.
        series: How the slices came to one answer; None for a radiograph and for a reject.
        left_out: Files of the series that took no part, each with its reason.
        rows: Probabilities of each of the series' sources by itself, shape ``(n_sources, n_labels)``; None for a
            radiograph and for a reject.
    """

    sources: tuple[Path, ...]
    answer: Prediction | Reject
    heatmaps: tuple[Heatmap, ...] = ()
    series: SeriesAnswer | None = None
    left_out: tuple[Reject, ...] = ()
    rows: np.ndarray | None = None

    def source_for(self, column: int) -> Path:
        """Return the file to look at for the label of a column: of a series the slice that speaks for it most."""
        return self.sources[0 if self.rows is None else int(self.rows[:, column].argmax())]


@dataclass(frozen=True)
class ModelIdentity:
    """Which model it was, for records that outlive it.

    Args:
        name: Of the bundle.
        title: The question in a few words.
        version: Of the bundle.
        sha256: Of the weights.
        kind: ``"binary"``, ``"multiclass"`` or ``"multilabel"``.
        label_names: In the order of the probabilities.
        calibrated: Whether probabilities are calibrated.
        operating_points: By label; empty where none was fitted.
        intended_use: One or two sentences.
        backend: What ran the network, and in which precision if not in float32.
        label_codes: One for each label, in their order.
        fitted: A hash of what was fitted with the model: with another calibration, other thresholds or another check
            of inputs the same weights answer differently.
    """

    name: str
    title: str
    version: str
    sha256: str
    kind: str
    label_names: tuple[str, ...]
    calibrated: bool
    operating_points: dict[str, OperatingPoint]
    intended_use: str
    backend: str
    label_codes: tuple[LabelCode, ...]
    fitted: str

    @property
    def key(self) -> str:
        """What tells this model from every other one: its name, version, weights, and what was fitted with them."""
        return "/".join((self.name, self.version, self.sha256, self.fitted))

    def threshold_of(self, label: str) -> float | None:
        """Return the threshold of a label's own decision; None for exclusive classes, whose highest one leads."""
        if self.kind == "multiclass" or (self.kind == "binary" and label != self.label_names[1]):
            return None
        point = self.operating_points.get(label)
        return DEFAULT_THRESHOLD if point is None else point.threshold


def identity_of(model: CaseModel) -> ModelIdentity:
    """Return which model this is."""
    name, precision = model.backend.name, model.backend.precision
    task, check = model.task, model.input_check
    points = {label: asdict(point) for label, point in sorted(model.operating_points.items())}
    fitted = repr((model.calibration, points, check and (check.limit, check.quantile, check.n)))
    return ModelIdentity(
        name=task.name,
        title=task.title,
        version=task.version,
        sha256=model.model_sha256,
        kind=task.kind,
        label_names=task.label_names,
        calibrated=model.calibration is not None,
        operating_points=dict(model.operating_points),
        intended_use=task.intended_use,
        backend=name if precision == "float32" else f"{name} in {precision}",
        label_codes=task.codes,
        fitted=hashlib.sha256(fitted.encode()).hexdigest(),
    )


def analyse(model: CaseModel, read: ReadFile, paths: Sequence[Path], explain: bool = True) -> list[Analysed]:
    """Answer for each radiograph, or other picture, and for each series of slices among some files.

    Args:
        model: As :func:`~lungscan_monai.inference.opening.open_model` gives it; it explains if it was opened so.
        read: As :func:`~lungscan_monai.inference.opening.reading` gives it.
        paths: Files in any order; DICOM, or pictures.
        explain: Whether heatmaps are wanted.

    Returns:
        In the order of the files, a series at the place of its first one. What cannot be read or assessed is a reject;
        nothing about a file raises.
    """
    paths = [Path(path) for path in paths]
    assessed = {one.path: one for one in _assessed(model, read, paths, explain)}
    groups: dict[Path | str, list[_Assessed]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        groups[assessed[path].belongs_to].append(assessed[path])
    return [
        _of_series(model, read, members, explain) if _is_slice(members[0].facts) else _of_one(members[0])
        for members in groups.values()
    ]


@dataclass(frozen=True, eq=False)
class _Read:
    """One file before the model sees it: what it is, and its picture or why there is none."""

    path: Path
    facts: ImageFacts
    image: np.ndarray | None = None
    reject: Reject | None = None


@dataclass(frozen=True, eq=False)
class _Assessed:
    """One file after it; the row of probabilities is there where the answer is one."""

    path: Path
    facts: ImageFacts
    answer: Prediction | Reject
    row: np.ndarray | None = None
    heatmaps: tuple[Heatmap, ...] = ()

    @property
    def belongs_to(self) -> Path | str:
        """The series of a slice; else the file itself."""
        return self.facts.series_uid if _is_slice(self.facts) else self.path


def _is_slice(facts: ImageFacts) -> bool:
    return facts.modality in SLICED and facts.series_uid is not None


def _of_one(assessed: _Assessed) -> Analysed:
    return Analysed((assessed.path,), assessed.answer, assessed.heatmaps)


def _of_series(model: CaseModel, read: ReadFile, members: list[_Assessed], explain: bool) -> Analysed:
    members = sorted(members, key=lambda one: str(one.path))
    uid, answered = members[0].facts.series_uid, [one for one in members if one.row is not None]
    left_out = tuple(one.answer for one in members if one.row is None)
    if not answered:
        code, _ = Counter(reject.code for reject in left_out).most_common(1)[0]
        reason = next(reject.reason for reject in left_out if reject.code == code)
        return Analysed(tuple(one.path for one in members), Reject(uid, code, reason), left_out=left_out)
    rows = np.stack([one.row for one in answered])
    found = answer_for_series([Slice(one.facts.position, one.facts.orientation, one.row) for one in answered])
    answer = model.prediction(uid, found.probabilities)
    sources = tuple(one.path for one in answered)
    analysed = Analysed(sources, answer, series=found, left_out=left_out, rows=rows)
    return replace(analysed, heatmaps=_heatmaps_of_series(model, read, analysed)) if explain else analysed


def _heatmaps_of_series(model: CaseModel, read: ReadFile, analysed: Analysed) -> tuple[Heatmap, ...]:
    """Explain each label on the slice that speaks for it most."""
    heatmaps: tuple[Heatmap, ...] = ()
    for label in _labels_to_explain(analysed.answer):
        source = analysed.source_for(model.task.label_names.index(label))
        try:
            heatmaps += _heatmaps(model, source, read(source).image, [label])
        except NOT_READ:
            continue  # it was read a moment ago, and is gone: the answer stands without its picture
    return heatmaps


def _assessed(model: CaseModel, read: ReadFile, paths: list[Path], explain: bool) -> Iterator[_Assessed]:
    ahead = 2 * model.batch_size
    with ThreadPoolExecutor(_THREADS, "reading") as pool:
        waiting: list[_Read] = []
        for one in in_order(pool, lambda path: _read(model, read, path), paths, ahead):
            if one.reject is not None:
                yield _Assessed(one.path, one.facts, one.reject)
                continue
            waiting.append(one)
            if len(waiting) == model.batch_size:
                yield from _answered(model, waiting, explain)
                waiting = []
        if waiting:
            yield from _answered(model, waiting, explain)


def _read(model: CaseModel, read: ReadFile, path: Path) -> _Read:
    facts = ImageFacts()
    try:
        facts = facts_of(path, admit(path, model.limits))
        unfit = facts.why_not_assessable(model.task)
        image = None if unfit else read(path).image
    except NOT_READ as error:
        unfit, image = refusal_of(error), None
    return _Read(path, facts, image, Reject(str(path), *unfit) if unfit else None)


def _answered(model: CaseModel, files: list[_Read], explain: bool) -> Iterable[_Assessed]:
    answers = model.answer(np.stack([one.image for one in files]))
    for one, row, unfamiliar in zip(files, answers.probabilities, answers.unfamiliar, strict=True):
        if unfamiliar:
            yield _Assessed(one.path, one.facts, Reject(str(one.path), NOT_ASSESSABLE, unfamiliar))
            continue
        answer = model.prediction(str(one.path), row)
        wanted = _labels_to_explain(answer) if explain and not _is_slice(one.facts) else []
        yield _Assessed(one.path, one.facts, answer, row, _heatmaps(model, one.path, one.image, wanted))


def _labels_to_explain(answer: Prediction) -> list[str]:
    """Return the label decided, or the findings called present, or the most probable one where there is none."""
    if answer.label is not None:
        return [answer.label]
    return list(answer.findings or ()) or [max(answer.probabilities, key=answer.probabilities.get)]


def _heatmaps(model: CaseModel, path: Path, image: np.ndarray, labels: list[str]) -> tuple[Heatmap, ...]:
    if not labels:
        return ()
    indices = [model.task.label_names.index(label) for label in labels]
    maps = model.saliency(np.repeat(image[None], len(labels), axis=0), indices)
    if maps is None:
        return ()
    try:
        picture = model.picture(path)
    except NOT_READ:
        return ()  # it was read a moment ago, and is gone: the answer stands without its picture
    return tuple(Heatmap(path, label, METHOD, found, picture) for label, found in zip(labels, maps, strict=True))
