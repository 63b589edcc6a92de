"""Features computed once against the naive loop that runs the frozen backbone in every epoch, side by side.

    python scripts/benchmarks/frozen_phase.py DATALIST [--weights FILE] [--backbone NAME] [--epochs 5] [--limit N]

Both train the same head with the same settings on the same cases, on as many threads as torch is given. The naive loop
is MONAI's plain `Dataset` with the bundle's transforms and a `SupervisedTrainer` over the whole network, its memory
laid out as timm gives it. Printed: the seconds of each, the ratio, and the validation AUC of each with its 95 %
interval.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.transforms import Compose, EnsureTyped, LoadImaged, RepeatChanneld, Resized

from lungscan_monai.batches import as_one
from lungscan_monai.caching import CachedImages
from lungscan_monai.data.datalist import monai_records
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.features import FrozenFeatureDataset
from lungscan_monai.handlers.predictions import PredictionMetric
from lungscan_monai.losses import WeightedBCEWithLogitsLoss, balanced_class_weights
from lungscan_monai.metrics.curves import rank
from lungscan_monai.metrics.intervals import Bootstrap, patient_clusters, percentile_interval
from lungscan_monai.metrics.scores import area_under_roc, roc_auc
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.sampling import StratifiedSampler
from lungscan_monai.task import TaskSpec
from lungscan_monai.transforms.channels import ToChannelsd
from lungscan_monai.transforms.labels import EncodeLabeld
from lungscan_monai.transforms.outputs import Probabilitiesd
from lungscan_monai.transforms.reading import MedicalImageReader

TASK = TaskSpec("benchmark", "benchmark", "0", "binary", ("Normal", "Pneumonia"), (224, 224), 3, ("CR",), "timing")
BATCH_SIZE = 32


def reading() -> Compose:
    """Return the bundle's deterministic preprocessing."""
    steps = [
        LoadImaged("image", reader=MedicalImageReader()),
        ToChannelsd("image", num_channels=1),
        Resized("image", TASK.image_size, mode="area"),
    ]
    return Compose(steps)


def naive_transforms() -> Compose:
    """Return the same as a script would write it: up to the tensors that the network is given."""
    steps = [RepeatChanneld("image", repeats=3), EncodeLabeld("label", TASK), EnsureTyped("image", track_meta=False)]
    return Compose([*reading().transforms, *steps])


def network_of(arguments: argparse.Namespace) -> TimmClassifier:
    """Return the same network at each call, its backbone frozen."""
    torch.manual_seed(0)
    return TimmClassifier(arguments.backbone, 1, weights=arguments.weights, dropout=0.3, trainable_blocks=0)


class NaiveNetwork(torch.nn.Module):
    """The same weights as a script would run them: backbone and head in one, memory in torch's default order."""

    def __init__(self, network: TimmClassifier) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.contiguous_format)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits ``(B, 1)`` of images ``(B, 3, H, W)``."""
        return self.network.classify(self.network.backbone((image - self.network.mean) / self.network.std))


def train(
    network: torch.nn.Module,
    training: Dataset,
    validation: Dataset,
    records: list,
    epochs: int,
    **loading: Callable,
) -> Predictions:
    """Train and validate after every epoch, as the bundle does; return the predictions of the last epoch."""
    metric = PredictionMetric(TASK)
    evaluator = SupervisedEvaluator(
        "cpu",
        DataLoader(validation, batch_size=BATCH_SIZE, **loading),
        network,
        postprocessing=Probabilitiesd("pred", TASK),
        key_val_metric={"roc_auc": metric},
    )
    trainer = SupervisedTrainer(
        "cpu",
        epochs,
        DataLoader(training, batch_size=BATCH_SIZE, sampler=StratifiedSampler(records), **loading),
        network,
        torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 1e-3),
        WeightedBCEWithLogitsLoss(balanced_class_weights(records, 2)),
    )
    for _ in range(epochs):
        trainer.state.max_epochs = trainer.state.epoch + 1
        trainer.run()
        evaluator.run()
    return metric.predictions()


def auc_with_interval(predictions: Predictions) -> str:
    """Return the ROC AUC and its 95 % interval by bootstrap over patients."""
    target = next(iter(predictions.targets()))
    value = roc_auc(target.y_true, target.y_score)
    ranking = rank(target.y_true, target.y_score)
    bootstrap = Bootstrap(patient_clusters(predictions.patients), 2000, 0)
    draws = bootstrap.draws(lambda weights: area_under_roc(ranking.counts(weights)))
    interval = percentile_interval(value, draws)
    return f"{value:.4f} ({interval.low:.4f} to {interval.high:.4f})"


def main() -> None:
    """Time both ways, the naive one first, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datalist")
    parser.add_argument("--backbone", default="mobilenetv2_100")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--limit", type=int, help="at most so many training cases")
    arguments = parser.parse_args()
    training = monai_records(arguments.datalist, "training", limit=arguments.limit)
    validation = monai_records(arguments.datalist, "validation", limit=arguments.limit)
    print(
        f"{len(training)} training and {len(validation)} validation cases, {arguments.backbone}, "
        f"{arguments.epochs} epochs, {torch.get_num_threads()} threads"
    )

    start = time.perf_counter()
    data = Dataset(training, naive_transforms()), Dataset(validation, naive_transforms())
    naive = train(NaiveNetwork(network_of(arguments)), *data, training, arguments.epochs)
    naive_seconds = time.perf_counter() - start

    print(f"backbone in every epoch:    {naive_seconds:7.1f} s, validation AUC {auc_with_interval(naive)}")

    for bfloat16 in (False, True):
        start = time.perf_counter()
        network = network_of(arguments)
        data = [CachedImages(records, reading(), TASK) for records in (training, validation)]
        features = [FrozenFeatureDataset(network, images, batch_size=BATCH_SIZE, bfloat16=bfloat16) for images in data]
        once = train(network.head, *features, training, arguments.epochs, collate_fn=as_one)
        seconds = time.perf_counter() - start
        name = "bfloat16" if bfloat16 else "float32"
        print(f"features once, in {name:8}: {seconds:7.1f} s, validation AUC {auc_with_interval(once)}")
        difference = np.abs(naive.probabilities - once.probabilities).max()
        print(f"    ratio {naive_seconds / seconds:.1f}; largest difference of a probability {difference:.4f}")


if __name__ == "__main__":
    main()
