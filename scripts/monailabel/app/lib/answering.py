"""Inference: the answer of a bundle for one image of the datastore, with a heatmap as its file."""

from __future__ import annotations

import atexit
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from lib.heatmaps import DEFAULT_SUFFIX, write_heatmap
from lungscan_monai.apps.models import ModelStore, ServedModel
from lungscan_monai.inference.answering import Prediction
from lungscan_monai.inference.studies import Analysed, Heatmap
from lungscan_monai.model_files import MODEL_NAME
from lungscan_monai.task import load_task


class ClassificationInfer(InferTask):
    """Answer by one bundle; its model is loaded when it is first asked for, and anew when a training replaced it.

    What a request may say beside the image:

    - ``"heatmap"``: false for an answer without one;
    - ``"label"``: the label to explain, in place of the one decided;
    - ``"result_extension"``: see :func:`~lib.heatmaps.write_heatmap`.

    Args:
        root: The bundle.
    """

    def __init__(self, root: Path) -> None:
        self.task = load_task(root)
        super().__init__(
            type=InferType.CLASSIFICATION,
            labels={name: index for index, name in enumerate(self.task.label_names)},
            dimension=2,
            description=self.task.title,
            config={"heatmap": True, "label": ["", *self.task.label_names]},
        )
        self._root = root
        self._open = ExitStack()
        self._served: ServedModel | None = None
        self._stamp = 0
        atexit.register(self._open.close)

    def is_valid(self) -> bool:
        """Tell whether there is a model."""
        return (self._root / "models" / MODEL_NAME).is_file()

    def __call__(self, request: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """Return the heatmap's file, None where there is no heatmap, and the answer."""
        begin = time.perf_counter()
        model, path = self._model(), Path(request["image"])
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        label = request.get("label") if isinstance(request.get("label"), str) else None
        wanted = request.get("heatmap", True)
        answers = model.analyse(files, explained=wanted and not label)
        first = next((one for one in answers if isinstance(one.answer, Prediction)), answers[0])
        heatmap = self._heatmap(model, first, label) if wanted else None
        file = write_heatmap(heatmap, request.get("result_extension") or DEFAULT_SUFFIX) if heatmap else None
        return file and str(file), {
            **self._entry(first),
            "answers": [self._entry(one) for one in answers],
            "heatmap": heatmap and {"label": heatmap.label, "method": heatmap.method, "source": heatmap.source.name},
            "label_names": self.labels,
            "model": {"name": self.task.name, "version": self.task.version, "sha256": model.identity.sha256},
            "latencies": {"total": round(time.perf_counter() - begin, 3)},
        }

    def _model(self) -> ServedModel:
        stamp = (self._root / "models" / MODEL_NAME).stat().st_mtime_ns
        if self._served is None or stamp != self._stamp:
            self._open.close()
            store = self._open.enter_context(ModelStore([self._root]))
            self._served, self._stamp = store.get(self._root.name), stamp
        return self._served

    def _heatmap(self, model: ServedModel, analysed: Analysed, label: str | None) -> Heatmap | None:
        if label and isinstance(analysed.answer, Prediction):
            return model.explain(analysed.sources[0], [label])[0]
        return analysed.heatmaps[0] if analysed.heatmaps else None

    def _entry(self, analysed: Analysed) -> dict[str, Any]:
        """Return what the model says about one radiograph, or one series of slices."""
        answer = analysed.answer
        about = {"sources": [path.name for path in analysed.sources]}
        if not isinstance(answer, Prediction):
            return {**about, "prediction": [], "reject": {"code": answer.code, "reason": answer.reason}}
        scores = [
            {"idx": index, "label": name, "score": answer.probabilities[name]} for name, index in self.labels.items()
        ]
        decision = answer.label if answer.findings is None else list(answer.findings)
        return {**about, "prediction": scores, "decision": decision, "threshold": answer.threshold}
