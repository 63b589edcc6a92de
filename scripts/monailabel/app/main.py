"""Our app for MONAI Label: answers with heatmaps, radiographs from a PACS, fine-tuning from labelled cases."""

from __future__ import annotations

from pathlib import Path

from lib.answering import ClassificationInfer
from lib.finetuning import ClassificationTrain
from lib.radiographs import RadiographStore, connect
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.tasks.activelearning.first import First
from monailabel.tasks.activelearning.random import Random

import lungscan_monai
from lungscan_monai.task import load_task


class LungScanApp(MONAILabelApp):
    """The bundles in the app's `model` folder, each under the name of its folder.

    Args:
        app_dir: Folder of the app.
        studies: Folder of images, or address of a DICOMweb service.
        conf: What was given by ``--conf``; `models` names the bundles, separated by commas.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self.bundles = {name: Path(app_dir) / "model" / name for name in conf["models"].split(",")}
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name="LungScan MONAI",
            description="Classification with heatmaps; research use, not for diagnosis",
            version=lungscan_monai.__version__,
        )

    def init_infers(self) -> dict[str, InferTask]:
        """Return what answers, by the bundles' names."""
        return {name: ClassificationInfer(root) for name, root in self.bundles.items()}

    def init_trainers(self) -> dict[str, TrainTask]:
        """Return what trains, by the bundles' names."""
        return {name: ClassificationTrain(root) for name, root in self.bundles.items()}

    def init_strategies(self) -> dict[str, Strategy]:
        """Return the ways to choose the next image to label."""
        return {"random": Random(), "first": First()}

    def init_remote_datastore(self) -> Datastore:
        """Return the images of a PACS, of those modalities that the bundles are for."""
        modalities = {modality for root in self.bundles.values() for modality in load_task(root).modalities}
        return RadiographStore(connect(self.studies), sorted(modalities))
