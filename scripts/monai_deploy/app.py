"""A MONAI Deploy application: a folder of DICOM files in, answers of one bundle and their DICOM results out.

python app.py -i DICOM_FOLDER -o OUTPUT_FOLDER -m BUNDLE_FOLDER
"""

from __future__ import annotations

from pathlib import Path

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application
from monai.deploy.operators.dicom_data_loader_operator import DICOMDataLoaderOperator
from operators import ANSWERS, IDENTITY, STUDIES, ClassificationOperator, ResultsOperator


class LungScanApplication(Application):
    """Load studies, answer, write results; folders come from the SDK's options or environment variables."""

    def compose(self) -> None:
        """Join the operators."""
        context = Application.init_app_context(self.argv)
        once = CountCondition(self, 1)
        loader = DICOMDataLoaderOperator(self, once, input_folder=Path(context.input_path), name="loader")
        answering = ClassificationOperator(self, bundle=Path(context.model_path), name="answering")
        results = ResultsOperator(self, output=Path(context.output_path), name="results")
        self.add_flow(loader, answering, {(STUDIES, STUDIES)})
        self.add_flow(answering, results, {(ANSWERS, ANSWERS), (IDENTITY, IDENTITY)})


if __name__ == "__main__":
    LungScanApplication().run()
