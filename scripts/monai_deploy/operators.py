"""Operators of the MONAI Deploy App SDK for our bundles: studies in, answers; answers in, DICOM results.

The SDK's own bundle operator takes a volume. A study of one radiograph makes it fail, MONOCHROME1 and the window are
lost on the way to it, and it takes a class's probability for the class's number.
"""

from __future__ import annotations

import logging
from pathlib import Path

from monai.deploy.core import Fragment, Operator, OperatorSpec
from monai.deploy.core.domain import DICOMStudy

from lungscan_monai.errors import ReadError
from lungscan_monai.inference.answering import Prediction
from lungscan_monai.inference.opening import open_model, reading
from lungscan_monai.inference.studies import Analysed, analyse, identity_of
from lungscan_monai.results.making import make_results, write_results
from lungscan_monai.storage import write_json

STUDIES, ANSWERS, IDENTITY = "dicom_study_list", "answers", "identity"

logger = logging.getLogger(__name__)


class ClassificationOperator(Operator):
    """Answer for each radiograph and each series of slices of some studies.

    Named input `dicom_study_list`: what the SDK's ``DICOMDataLoaderOperator`` gives. Named outputs `answers`, a list of
    :class:`~lungscan_monai.inference.studies.Analysed`, and `identity`, who gave them. Series of other modalities than
    the bundle's are passed over; of the others each file has an answer, or a reason why there is none.

    Args:
        fragment: The application.
        bundle: Folder of the bundle, with its model.
        explains: Whether the label decided is explained by a heatmap.
    """

    def __init__(self, fragment: Fragment, *args, bundle: Path, explains: bool = True, **kwargs) -> None:
        self._bundle, self._explains = Path(bundle), explains
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare inputs and outputs."""
        spec.input(STUDIES)
        spec.output(ANSWERS)
        spec.output(IDENTITY)

    def compute(self, op_input, op_output, context) -> None:
        """Answer.

        Raises:
            LungScanError: If the bundle has no model, or a damaged one.
        """
        model = open_model(self._bundle, "torch", "float32", 16, True, self._explains)
        paths = files_of(op_input.receive(STUDIES), model.task.modalities)
        with reading(self._bundle, model, 1) as read:
            answers = analyse(model, read, paths, explain=self._explains)
        op_output.emit(answers, ANSWERS)
        op_output.emit(identity_of(model), IDENTITY)


class ResultsOperator(Operator):
    """Write what answers come to: DICOM objects (reports, pictures, maps), and `answers.json`.

    Named inputs: `answers` and `identity`, as :class:`ClassificationOperator` gives them.

    Args:
        fragment: The application.
        output: Folder of the results; made if it is missing.
    """

    def __init__(self, fragment: Fragment, *args, output: Path, **kwargs) -> None:
        self._output = Path(output)
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare inputs."""
        spec.input(ANSWERS)
        spec.input(IDENTITY)

    def compute(self, op_input, op_output, context) -> None:
        """Write.

        Raises:
            OutputError: If the folder cannot be written.
        """
        answers, identity = op_input.receive(ANSWERS), op_input.receive(IDENTITY)
        self._output.mkdir(parents=True, exist_ok=True)
        entries = []
        for analysed in answers:
            try:
                written = write_results(make_results(analysed, identity), self._output)
            except ReadError as error:  # a file that is too damaged to say whom it is about
                logger.warning("no DICOM result: %s", error)
                written = []
            entries.append({**entry_of(analysed), "results": [path.name for path in written]})
        model = {"name": identity.name, "version": identity.version, "sha256": identity.sha256}
        write_json(self._output / "answers.json", {"model": model, "answers": entries})


def files_of(studies: list[DICOMStudy], modalities: tuple[str, ...]) -> list[Path]:
    """Return the files of the series of some modalities, in the order of their names."""
    series = [one for study in studies for one in study.get_all_series() if one.Modality in modalities]
    if not series:
        logger.warning("no series of modality %s in what was given", ", ".join(modalities))
    instances = [instance for one in series for instance in one.get_sop_instances()]
    return sorted(Path(instance.get_native_sop_instance().filename) for instance in instances)


def entry_of(analysed: Analysed) -> dict:
    """Return an answer as JSON: file names, probabilities and decision, or why there is none."""
    answer, about = analysed.answer, {"sources": [path.name for path in analysed.sources]}
    if not isinstance(answer, Prediction):
        return {**about, "reject": {"code": answer.code, "reason": answer.reason}}
    decision = answer.label if answer.findings is None else list(answer.findings)
    return {**about, "probabilities": answer.probabilities, "decision": decision, "threshold": answer.threshold}
