"""Explain evaluated cases, measure the explanations, and store them next to the metrics."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import Dataset

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.error_gallery import GalleryCase, decisions, gallery_entries, surest_cases
from lungscan_monai.evaluation.estimates import not_computable
from lungscan_monai.evaluation.explanation_measures import (
    Measured,
    OfHeatmap,
    dependence_on_weights,
    faithfulness,
    localisation,
    shortcut_warnings,
    shortcuts,
)
from lungscan_monai.evaluation.explanation_plan import ExplanationPlan, ExplanationSettings, Pair, planned
from lungscan_monai.evaluation.lesions import labels_with_lesion, lesion_mask
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.inference.image_facts import PROJECTIONS
from lungscan_monai.metrics.decisions import leading_labels
from lungscan_monai.metrics.scaling import Calibration
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.saliency.cams import explain, layer_used
from lungscan_monai.saliency.measures import Agreement
from lungscan_monai.saliency.perturbation import deletion_and_insertion
from lungscan_monai.saliency.randomisation import likeness, randomised_networks
from lungscan_monai.saliency.shortcuts import saliency_elsewhere
from lungscan_monai.saliency.storing import INDEX_NAME, ExplanationStore
from lungscan_monai.task import TaskSpec
from lungscan_monai.transforms.reading import read_image

BATCH_SIZE = 16
FOLDER = "explanations"
"""Name of the folder of the heatmaps, beside the report."""

_TOO_SLOW = NotComputableError("occlusion needs some 225 passes for each case and network")


@dataclass(frozen=True, eq=False)
class Explained:
    """What the report says.

    Args:
        explanations: Where the heatmaps are and what was measured; None where nothing was explained.
        gallery: The gallery of errors.
        warnings: What a reader of the report should be warned of.
    """

    explanations: dict[str, Any] | None
    gallery: list[dict[str, Any]]
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class Heatmap:
    """One explained label of one case.

    Args:
        pair: Which case and label.
        probability: What the network gave it, in [0, 1].
        prepared: The network's input, ``(C, H, W)``.
        saliency: Shape ``(H, W)``, in [0, 1].
    """

    pair: Pair
    probability: float
    prepared: torch.Tensor
    saliency: torch.Tensor


class EvaluationExplainer:
    """Explain test cases of one evaluation.

    Args:
        network: The trained network.
        dataset: Cases; `dataset.data` has their records, ``dataset[i]["image"]`` is the network's input.
        test: Predictions of the test section, as the report has them.
        thresholds: Of each target of `test`, as they decide.
        task: The task.
        case_facts: What the datalist says of each case, by its name; boxes among it.
        calibration: What the probabilities recorded are calibrated with.
        settings: What is explained and measured.
        intervals: How intervals are made.
    """

    def __init__(
        self,
        network: TimmClassifier,
        dataset: Dataset,
        test: Predictions,
        thresholds: Sequence[float],
        task: TaskSpec,
        case_facts: Mapping[str, Mapping[str, Any]],
        calibration: Calibration | None,
        settings: ExplanationSettings,
        intervals: ReportSettings,
    ) -> None:
        self._network, self._dataset, self._test, self._task = network, dataset, test, task
        self._thresholds, self._calibration, self._case_facts = thresholds, calibration, case_facts
        self._settings, self._intervals = settings, intervals
        self._layer = layer_used(network, settings.method)
        self._radiographs = set(task.modalities) <= set(PROJECTIONS)
        self._row_of = {case: row for row, case in enumerate(test.case_ids)}
        self._index_of = {record["case"]: i for i, record in enumerate(dataset.data) if record["case"] in self._row_of}

    def run(self, output_dir: str | os.PathLike, model_sha256: str) -> Explained:
        """Explain, measure and store; the gallery is there even if nothing is explained.

        Args:
            output_dir: Folder of the report; heatmaps go into the folder `FOLDER` in it.
            model_sha256: Hash of the model, recorded with each explanation.

        Raises:
            OutputError: If a file cannot be written.
            ReadError: If an image or a mask cannot be read.
            ShapeError: If a mask has not the shape of its image.
        """
        gallery = surest_cases(self._test, self._thresholds, self._settings.errors)
        if self._settings.cases == "none":
            return Explained(None, gallery_entries(gallery, self._test, {}), [])
        plan, measured = self._plan(gallery), Measured()
        store = ExplanationStore(Path(output_dir) / FOLDER, self._settings.method, self._layer, model_sha256)
        with store:
            files = self._explain(plan, store, measured)
        facts = {
            "folder": FOLDER,
            "index": f"{FOLDER}/{INDEX_NAME}",
            "method": self._settings.method,
            "layer": self._layer,
            "cases": len({index for index, _ in plan.pairs}),
            "heatmaps": len(plan.pairs),
            "checked_at_most": self._settings.checks,
        }
        numbers = self._numbers(measured)
        warnings = shortcut_warnings(numbers["shortcuts"])
        return Explained(facts | numbers, gallery_entries(gallery, self._test, files), warnings)

    def _plan(self, gallery: Sequence[GalleryCase]) -> ExplanationPlan:
        indices = list(self._index_of.values())
        threshold = self._thresholds[0] if self._task.kind == "binary" else 0.5
        leading = leading_labels(self._test.probabilities, self._task.kind, threshold)
        return planned(
            self._settings,
            [(self._index_of[entry.case], entry.label) for entry in gallery],
            [(index, int(leading[self._row(index)])) for index in indices],
            [
                (index, label)
                for index in indices
                for label in labels_with_lesion(self._record(index), self._facts(index), self._task)
            ],
        )

    def _explain(
        self, plan: ExplanationPlan, store: ExplanationStore, measured: Measured
    ) -> dict[tuple[str, int], dict[str, str]]:
        """Make and store all heatmaps, take down what they measure, and return the pictures of the gallery."""
        called, rng = decisions(self._test, self._thresholds), np.random.default_rng(self._intervals.seed)
        shown, spread, lesions, checked = map(set, (plan.gallery, plan.spread, plan.lesions, plan.checked))
        files, kept = {}, []
        for heatmap in self._heatmaps(plan.pairs):
            index, label = heatmap.pair
            case, name = self._record(index)["case"], self._task.label_names[label]
            described = partial(OfHeatmap, self._patient(index), name, bool(called[self._row(index), label]))
            image, saliency = read_image(self._record(index)["image"]), heatmap.saliency.cpu().numpy()
            lesion = self._lesion(heatmap.pair, image) if heatmap.pair in lesions else None
            record = store.add(case, name, heatmap.probability, saliency, image, lesion)
            if lesion is not None:
                found = Agreement(**{part.name: record[part.name] for part in fields(Agreement)})
                measured.lesions.append(described(found))
            if heatmap.pair in spread and self._settings.checks and saliency.any():
                measured.elsewhere.append(described(saliency_elsewhere(saliency, image, self._radiographs)))
            if heatmap.pair in checked:
                parts = (self._network, heatmap.prepared, heatmap.saliency, label, self._task.kind, rng)
                measured.curves.append(described(deletion_and_insertion(*parts)))
                kept.append((heatmap, described))
            if heatmap.pair in shown:
                picture = f"{FOLDER}/{store.add_picture(case, image)}"
                files[case, label] = {"picture": picture, "heatmap": f"{FOLDER}/{record['overlay']}"}
        if self._layer is not None and kept:
            self._throw_weights_away(kept, measured)
        return files

    def _heatmaps(self, pairs: Sequence[Pair]) -> Iterator[Heatmap]:
        """Explain batch after batch."""
        device = next(self._network.parameters()).device
        for start in range(0, len(pairs), BATCH_SIZE):
            chosen = pairs[start : start + BATCH_SIZE]
            images = torch.stack([torch.as_tensor(self._dataset[index]["image"]) for index, _ in chosen]).to(device)
            labels = torch.tensor([label for _, label in chosen], device=device)
            probabilities, maps = explain(self._network, images, labels, self._task.kind, self._settings.method)
            rows = probabilities.cpu().numpy()
            if self._calibration is not None:
                rows = self._calibration.apply(rows)
            for pair, row, image, saliency in zip(chosen, rows, images, maps, strict=True):
                yield Heatmap(pair, float(row[pair[1]]), image, saliency)

    def _throw_weights_away(
        self, kept: Sequence[tuple[Heatmap, Callable[[Any], OfHeatmap]]], measured: Measured
    ) -> None:
        """Explain with more and more weights drawn anew the label that the network then leads with.

        What a label means is lost with the weights; of a fixed one the map would often be zero all over.
        """
        images = torch.stack([heatmap.prepared for heatmap, _ in kept])
        for stage, network in randomised_networks(self._network, self._intervals.seed):
            others: list[torch.Tensor] = []
            for start in range(0, len(kept), BATCH_SIZE):
                batch = images[start : start + BATCH_SIZE]
                others += explain(network, batch, None, self._task.kind, self._settings.method)[1]
            measured.likeness[stage] = [
                described(likeness(heatmap.saliency, other))
                for (heatmap, described), other in zip(kept, others, strict=True)
            ]

    def _numbers(self, measured: Measured) -> dict[str, Any]:
        weights = dependence_on_weights(measured.likeness, self._intervals)
        if self._layer is None and measured.curves:
            weights = not_computable(_TOO_SLOW)
        return {
            "localisation": localisation(measured.lesions, self._intervals),
            "faithfulness": faithfulness(measured.curves, self._intervals),
            "randomised_weights": weights,
            "shortcuts": shortcuts(measured.elsewhere, self._intervals),
        }

    def _lesion(self, pair: Pair, image: np.ndarray) -> np.ndarray | None:
        index, label = pair
        return lesion_mask(self._record(index), self._facts(index), self._task.label_names[label], image.shape[-2:])

    def _record(self, index: int) -> Mapping[str, Any]:
        return self._dataset.data[index]

    def _row(self, index: int) -> int:
        return self._row_of[self._record(index)["case"]]

    def _patient(self, index: int) -> str | None:
        return self._test.patients[self._row(index)]

    def _facts(self, index: int) -> Mapping[str, Any]:
        return self._case_facts.get(self._record(index)["case"], {})
