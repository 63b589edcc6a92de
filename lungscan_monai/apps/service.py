"""The work behind the REST service's requests: files in, answers with their facts out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lungscan_monai.apps.desk import Desk
from lungscan_monai.apps.evidence import load_evidence
from lungscan_monai.apps.guarding import Meters
from lungscan_monai.apps.models import ModelStore, ServedModel
from lungscan_monai.apps.pictures import as_png, overlay_of
from lungscan_monai.apps.problems import Refusal, Rejected
from lungscan_monai.apps.replies import Answer, ModelFacts, Names, Result, facts_of, result_of
from lungscan_monai.apps.uploads import Accepted, Upload, UploadFolder, UploadLimits
from lungscan_monai.errors import DataError
from lungscan_monai.gate.limits import Limits
from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.studies import Analysed, Heatmap

_WRONG_REQUEST = 422


@dataclass(frozen=True, eq=False)
class _Offered:
    """One model as the service knows it."""

    served: ServedModel
    facts: ModelFacts


class Service:
    """The work behind the requests, one after the other at its desk.

    Args:
        store: The models, entered; all are loaded now.
        body_bytes: Most bytes of a request.
        desk: Where requests wait.

    Raises:
        CheckpointError: If a bundle has no model, or it is damaged.
    """

    def __init__(self, store: ModelStore, body_bytes: int, desk: Desk) -> None:
        self._offered: dict[str, _Offered] = {}
        for name, offer in store.offers.items():
            served = store.get(name)
            evidence = load_evidence(offer.root, served.identity.sha256)
            self._offered[name] = _Offered(served, facts_of(served, offer, evidence))
        self._limits = UploadLimits(gate=Limits(file_bytes=body_bytes))
        self.meters = Meters()
        self.meters.here.set_function(lambda: desk.taken)

    @property
    def models(self) -> list[ModelFacts]:
        """What is served."""
        return [offered.facts for offered in self._offered.values()]

    def offered(self, name: str | None) -> _Offered:
        """Return a model by its name, the first one if there is no name.

        Raises:
            Refusal: If there is none of that name.
        """
        if not name:
            return next(iter(self._offered.values()))
        if name not in self._offered:
            raise Refusal(404, "no-such-model", f"there is no such model; there are {', '.join(self._offered)}")
        return self._offered[name]

    def predict(self, uploads: Sequence[Upload], name: str | None) -> Answer:
        """Answer for the files of a request.

        Raises:
            Refusal: If no file can be answered for.
        """
        offered = self.offered(name)
        with UploadFolder(self._limits) as folder:
            accepted, rejected = _admitted(folder, uploads)
            names = Names({one.path: one.shown_name for one in accepted})
            analysed = offered.served.analyse([one.path for one in accepted])
            results = [result_of(one, one.answer, (), names) for one in _answered(analysed)]
            return self._answer(offered, results, [*rejected, *_refused(analysed, names)])

    def explain(
        self, uploads: Sequence[Upload], name: str | None, label: str | None, method: str, as_picture: bool
    ) -> Answer | bytes:
        """Answer for the files of a request, and show where the model looked.

        Returns:
            The answer, or the first picture with its heatmap as a PNG.

        Raises:
            Refusal: If no file can be answered for, or there is no such label.
        """
        offered = self.offered(name)
        if label and label not in offered.facts.labels:
            raise Refusal(_WRONG_REQUEST, "no-such-label", f"the labels are {', '.join(offered.facts.labels)}")
        with UploadFolder(self._limits) as folder:
            accepted, rejected = _admitted(folder, uploads)
            names = Names({one.path: one.shown_name for one in accepted})
            analysed = offered.served.analyse([one.path for one in accepted])
            results: list[Result] = []
            for one in _answered(analysed):
                heatmaps = _heatmaps(offered.served, one, label, method)
                if as_picture and heatmaps:
                    self.meters.answers.labels(offered.facts.name).inc()
                    return as_png(overlay_of(heatmaps[0]))
                results.append(result_of(one, one.answer, heatmaps, names))
            return self._answer(offered, results, [*rejected, *_refused(analysed, names)])

    def _answer(self, offered: _Offered, results: list[Result], rejected: list[Rejected]) -> Answer:
        for reject in rejected:
            self.meters.rejects.labels(reject.code).inc()
        self.meters.answers.labels(offered.facts.name).inc(len(results))
        if not results:
            raise Refusal(_WRONG_REQUEST, rejected[0].code, rejected[0].reason, rejected)
        return Answer(model=offered.facts, results=results, rejected=rejected)


def _admitted(folder: UploadFolder, uploads: Sequence[Upload]) -> tuple[list[Accepted], list[Rejected]]:
    outcomes = folder.accept(uploads)
    accepted = [one for one in outcomes if isinstance(one, Accepted)]
    rejected = [
        Rejected(file=one.case, code=one.code, reason=one.reason) for one in outcomes if isinstance(one, Reject)
    ]
    return accepted, rejected


def _answered(analysed: Sequence[Analysed]) -> list[Analysed]:
    return [one for one in analysed if isinstance(one.answer, Prediction)]


def _refused(analysed: Sequence[Analysed], names: Names) -> list[Rejected]:
    return [names.rejected(one.answer, one.sources) for one in analysed if isinstance(one.answer, Reject)]


def _heatmaps(served: ServedModel, analysed: Analysed, label: str | None, method: str) -> Sequence[Heatmap]:
    """Return heatmaps for one label, or those that the answer asks for; of a series on the slice that says most."""
    answer = analysed.answer
    wanted = [label or answer.label] if label or answer.label else list(answer.findings or ())
    wanted = wanted or [max(answer.probabilities, key=answer.probabilities.get)]
    by_source: dict[Path, list[str]] = defaultdict(list)
    for name in wanted:
        by_source[served.source_for(analysed, name)].append(name)
    try:
        return [found for path, names in by_source.items() for found in served.explain(path, names, method)]
    except DataError:
        return ()  # it was read a moment ago, and now a worker took too long: the answer stands without its picture
