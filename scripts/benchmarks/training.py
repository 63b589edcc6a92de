"""One epoch of training: MONAI's plain `Dataset`, its `CacheDataset`, and our cache with batched augmentation.

    python scripts/benchmarks/training.py DATALIST [--network kidney|resnet18] [--weights FILE] [--epochs 6] [--limit N]

All train the same network with the same optimizer and the like augmentation under MONAI's `SupervisedTrainer`; the two
of MONAI with its own readers and transforms, item by item. Their epochs take turns, so that a change of the machine's
speed meets all alike. Ours also runs with its network in bfloat16, as a bare PyTorch loop without an engine, which
shows what the engine costs, and, where the backbone is frozen (kidney), on features computed once. Printed: the time to
fill a cache or compute the features, the median seconds of an epoch, ratios to the plain data set, and the validation
AUC of each after the last epoch, with its 95 % interval over patients.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from monai.data import CacheDataset, DataLoader, Dataset
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    EnsureTyped,
    LoadImaged,
    RandFlipd,
    RandRotated,
    RandZoomd,
    RepeatChanneld,
    Resized,
    ScaleIntensityRanged,
)

from lungscan_monai.batches import BatchPreparation, as_one
from lungscan_monai.caching import CachedImages
from lungscan_monai.data.datalist import load_datalist, monai_records
from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.features import FrozenFeatureDataset
from lungscan_monai.handlers.predictions import PredictionMetric
from lungscan_monai.inferers import PrecisionInferer
from lungscan_monai.metrics.curves import rank
from lungscan_monai.metrics.intervals import Bootstrap, patient_clusters, percentile_interval
from lungscan_monai.metrics.scores import area_under_roc
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.sampling import StratifiedSampler
from lungscan_monai.task import TaskSpec
from lungscan_monai.transforms.channels import ToChannelsd
from lungscan_monai.transforms.geometry import RandomGeometry
from lungscan_monai.transforms.labels import EncodeLabeld
from lungscan_monai.transforms.outputs import Probabilitiesd
from lungscan_monai.transforms.reading import MedicalImageReader

NETWORKS = {
    "kidney": ("mobilenetv2_035", 96, 8, {"hidden_features": 32, "dropout": 0.2, "trainable_blocks": 0}),
    "resnet18": ("resnet18", 224, 16, {"dropout": 0.5}),
}
"""Name -> backbone, size of its input, batch size, further settings; as the bundles have them."""


@dataclass
class Way:
    """One way of training: a function that runs one epoch, and one that tells how good the network became."""

    name: str
    run_epoch: Callable[[], None]
    predictions: Callable[[], Predictions]
    seconds: list[float] = field(default_factory=list)


def task_of(datalist: str, size: int) -> TaskSpec:
    """Return a multi-class task with the labels of the datalist."""
    content = load_datalist(datalist)
    return TaskSpec("benchmark", "benchmark", "0", "multiclass", content.labels, (size, size), 3, ("CT",), "timing")


def reading(task: TaskSpec) -> Compose:
    """Return the bundles' deterministic preprocessing."""
    steps = [
        LoadImaged("image", reader=MedicalImageReader()),
        ToChannelsd("image", num_channels=1),
        Resized("image", task.image_size, mode="area"),
    ]
    return Compose(steps)


def items_of_monai(task: TaskSpec, augment: bool) -> Compose:
    """Return the same as a script with MONAI's own transforms has it, image by image."""
    steps = [
        LoadImaged("image"),
        EnsureChannelFirstd("image"),
        Resized("image", task.image_size, mode="area"),
        ScaleIntensityRanged("image", 0, 255, 0, 1),
        RepeatChanneld("image", repeats=3),
    ]
    random = [
        RandRotated("image", range_x=0.1745, prob=1.0, padding_mode="zeros"),
        RandZoomd("image", min_zoom=0.9, max_zoom=1.1, prob=1.0),
        RandFlipd("image", prob=0.5, spatial_axis=0),  # MONAI's reader gives columns first
    ]
    labels = [EncodeLabeld("label", task), EnsureTyped("image", track_meta=False)]
    return Compose([*steps, *(random if augment else []), *labels])


def network_of(name: str, task: TaskSpec, weights: str) -> TimmClassifier:
    """Return the same network at each call."""
    backbone, _, _, head = NETWORKS[name]
    torch.manual_seed(0)
    return TimmClassifier(backbone, task.num_outputs, weights=weights, **head)


class AsTimmGivesIt(torch.nn.Module):
    """The same network with its memory in torch's default order, as a script has it."""

    def __init__(self, network: TimmClassifier) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.contiguous_format)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits of images ``(B, 3, H, W)``."""
        return self.network.classify(self.network.backbone((image - self.network.mean) / self.network.std))


def validation_of(network: torch.nn.Module, loader: DataLoader, task: TaskSpec) -> Callable[[], Predictions]:
    """Return a function that predicts the validation cases."""
    metric = PredictionMetric(task)
    evaluator = SupervisedEvaluator(
        "cpu",
        loader,
        network,
        prepare_batch=BatchPreparation(),
        postprocessing=Probabilitiesd("pred", task),
        key_val_metric={"roc_auc": metric},
    )

    def predictions() -> Predictions:
        evaluator.run()
        return metric.predictions()

    return predictions


def by_engine(
    network: torch.nn.Module, loader: DataLoader, fused: bool = False, **options: object
) -> Callable[[], None]:
    """Return a function that runs one more epoch of MONAI's trainer."""
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=fused)
    trainer = SupervisedTrainer("cpu", 1, loader, network, optimizer, torch.nn.CrossEntropyLoss(), **options)

    def run_epoch() -> None:
        trainer.state.max_epochs = trainer.state.epoch + 1
        trainer.run()

    return run_epoch


def by_hand(network: torch.nn.Module, loader: DataLoader, preparation: BatchPreparation) -> Callable[[], None]:
    """Return a function that runs one epoch of a bare loop over the same batches."""
    optimizer, loss_function = torch.optim.Adam(network.parameters(), 1e-3, fused=True), torch.nn.CrossEntropyLoss()

    def run_epoch() -> None:
        network.train()
        for batch in loader:
            image, label = preparation(batch)
            optimizer.zero_grad()
            loss_function(network(image), label).backward()
            optimizer.step()

    return run_epoch


class Racers:
    """All ways for one network and one data set."""

    def __init__(self, name: str, task: TaskSpec, weights: str, training: list, validation: list) -> None:
        self.name, self.task, self.weights = name, task, weights
        self.training, self.validation = training, validation
        self.batch_size = NETWORKS[name][2]

    def network(self) -> TimmClassifier:
        """Return a new network, the same each time."""
        return network_of(self.name, self.task, self.weights)

    def loader(self, dataset: Dataset, **options: object) -> DataLoader:
        """Return a training loader; all draw the cases in the same order."""
        sampler = StratifiedSampler(self.training * (len(dataset) // len(self.training)))
        return DataLoader(dataset, batch_size=self.batch_size, sampler=sampler, **options)

    def of_monai(self) -> list[Way]:
        """Return MONAI's two."""
        start = time.perf_counter()
        cached = CacheDataset(self.training, items_of_monai(self.task, augment=True), progress=False, num_workers=2)
        print(f"filling MONAI's cache: {time.perf_counter() - start:.1f} s")
        plain = Dataset(self.training, items_of_monai(self.task, augment=True))
        validation = DataLoader(Dataset(self.validation, items_of_monai(self.task, augment=False)), batch_size=32)
        ways = []
        for name, dataset in (("MONAI Dataset", plain), ("MONAI CacheDataset", cached)):
            network = AsTimmGivesIt(self.network())
            predictions = validation_of(network, validation, self.task)
            ways.append(Way(name, by_engine(network, self.loader(dataset)), predictions))
        return ways

    def ours(self) -> list[Way]:
        """Return ours: by the engine in two precisions, by hand, and on features where the backbone is frozen."""
        preparation = BatchPreparation([RandomGeometry(rotate_degrees=10, zoom_fraction=0.1, flip_left_right=0.5)])
        start = time.perf_counter()
        images = CachedImages(self.training, reading(self.task), self.task)
        print(f"filling our cache: {time.perf_counter() - start:.1f} s")
        unseen = CachedImages(self.validation, reading(self.task), self.task)
        validation = DataLoader(unseen, batch_size=32, collate_fn=as_one)
        loader = self.loader(images, collate_fn=as_one)
        ways = []
        for precision in ("float32", "bfloat16"):
            network = self.network()
            inferer = PrecisionInferer(precision)
            options = {"prepare_batch": preparation, "inferer": inferer, "decollate": False, "fused": True}
            predictions = validation_of(network, validation, self.task)
            ways.append(Way(f"ours, {precision}", by_engine(network, loader, **options), predictions))
        network = self.network()
        by_loop = by_hand(network, loader, preparation)
        ways.append(Way("ours, bare loop, float32", by_loop, validation_of(network, validation, self.task)))
        if not any(parameter.requires_grad for parameter in network.backbone.parameters()):
            ways.append(self.on_features(images, unseen, preparation))
        return ways

    def on_features(self, images: CachedImages, unseen: CachedImages, preparation: BatchPreparation) -> Way:
        """Return the bundle's way for a frozen backbone: the head on features of one augmented view."""
        network = self.network()
        start = time.perf_counter()
        features = FrozenFeatureDataset(network, images, preparation)
        features.__getitems__([0])
        print(f"computing the features once: {time.perf_counter() - start:.1f} s")
        validation = DataLoader(FrozenFeatureDataset(network, unseen), batch_size=32, collate_fn=as_one)
        run_epoch = by_engine(network.head, self.loader(features, collate_fn=as_one), fused=True, decollate=False)
        return Way("ours, features once", run_epoch, validation_of(network.head, validation, self.task))


def macro_auc_with_interval(predictions: Predictions) -> str:
    """Return the mean ROC AUC over classes and its 95 % interval by bootstrap over patients."""
    rankings = [rank(y_true, y_score) for _, y_true, y_score in predictions.targets()]

    def macro(weights: np.ndarray) -> np.ndarray:
        return np.mean([area_under_roc(ranking.counts(weights)) for ranking in rankings], axis=0)

    value = float(macro(np.ones((1, len(predictions.case_ids))))[0])
    draws = Bootstrap(patient_clusters(predictions.patients), 2000, 0).draws(macro)
    try:
        interval = percentile_interval(value, draws)
    except NotComputableError as error:
        return f"{value:.3f} ({error})"
    return f"{value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def main() -> None:
    """Let all ways train in turns and print how they compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datalist", help="for instance of phantoms of 1024 x 1024")
    parser.add_argument("--network", choices=NETWORKS, default="kidney")
    parser.add_argument("--weights", default="none", help="as the bundles take them")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--limit", type=int, help="at most so many training cases")
    arguments = parser.parse_args()
    task = task_of(arguments.datalist, NETWORKS[arguments.network][1])
    training = monai_records(arguments.datalist, "training", limit=arguments.limit)
    validation = monai_records(arguments.datalist, "validation")
    print(f"{len(training)} training cases, {arguments.network}, {torch.get_num_threads()} threads")
    racers = Racers(arguments.network, task, arguments.weights, training, validation)
    ways = {way.name: way for way in [*racers.of_monai(), *racers.ours()]}
    for _ in range(arguments.epochs):
        for way in ways.values():
            start = time.perf_counter()
            way.run_epoch()
            way.seconds.append(time.perf_counter() - start)
    slowest = np.array(ways["MONAI Dataset"].seconds)
    for way in ways.values():
        ratio = np.median(slowest / way.seconds)
        auc = macro_auc_with_interval(way.predictions())
        print(f"{way.name:26} {np.median(way.seconds):7.2f} s an epoch, {ratio:5.2f} x, validation AUC {auc}")
    pairs = np.array(ways["ours, float32"].seconds) / ways["ours, bare loop, float32"].seconds
    print(f"the engine's cost over the bare loop: {100 * (np.median(pairs) - 1):.1f} % (median of pairs)")


if __name__ == "__main__":
    main()
