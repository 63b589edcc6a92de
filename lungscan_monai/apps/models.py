"""Models that are loaded once and answer for everybody who asks: sessions, requests, threads."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import torch

from lungscan_monai.apps.viewing import Viewed, view, viewing_values
from lungscan_monai.bundles import has_model
from lungscan_monai.decoding.pool import DecodingPool
from lungscan_monai.demonstration import DEMONSTRATION
from lungscan_monai.errors import ConfigError
from lungscan_monai.hashing import Hashed
from lungscan_monai.inference.explaining_model import ExplainingModel
from lungscan_monai.inference.opening import ReadFile, reading
from lungscan_monai.inference.studies import METHOD, Analysed, Heatmap, ModelIdentity, analyse, identity_of
from lungscan_monai.saliency.cams import explain, require_method
from lungscan_monai.task import TaskSpec, load_task


@dataclass(frozen=True)
class Offer:
    """A bundle that can be chosen.

    Args:
        name: What it is called here.
        root: Its folder.
        task: Its task.
        has_model: Whether there is a trained model in it.
        is_demonstration: Whether that was trained on phantoms only.
    """

    name: str
    root: Path
    task: TaskSpec
    has_model: bool
    is_demonstration: bool


class RecentlyRead:
    """Reads files and remembers the last few pictures, so that who is answered and then asks why waits for one reading.

    Args:
        read: What reads.
        pictures: How many are remembered.
    """

    def __init__(self, read: ReadFile, pictures: int = 4) -> None:
        self._read, self._most = read, pictures
        self._pictures: OrderedDict[tuple[Path, int, int, int], Hashed] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, path: Path) -> Hashed:
        """Return what a file holds now.

        Raises:
            DataError: If it cannot be read.
        """
        try:
            facts = path.stat()
        except OSError:
            return self._read(path)
        key = (path, facts.st_ino, facts.st_mtime_ns, facts.st_size)
        with self._lock:
            if key in self._pictures:
                return self._pictures[key]
        picture = self._read(path)
        with self._lock:
            self._pictures[key] = picture
            while len(self._pictures) > self._most:
                self._pictures.popitem(last=False)
        return picture


class ServedModel:
    """One model that any thread may ask; used inside of its :class:`ModelStore`.

    Args:
        offer: The bundle.
        model: Its model.
        read: What reads files for it.
        views: Workers that read for looking.
    """

    def __init__(self, offer: Offer, model: ExplainingModel, read: ReadFile, views: DecodingPool) -> None:
        self.offer, self.task = offer, offer.task
        self.identity: ModelIdentity = identity_of(model)
        self._model, self._read, self._views = model, RecentlyRead(read), views
        self._alone = threading.Lock()

    def analyse(self, paths: Sequence[Path], explained: bool = False) -> list[Analysed]:
        """Answer for files: one answer for each radiograph, one for each CT series; bad files are rejects.

        Args:
            paths: The files.
            explained: Whether the decided label is explained, too.
        """
        with self._alone:
            return analyse(self._model, self._read, paths, explain=explained)

    def source_for(self, analysed: Analysed, label: str) -> Path:
        """Return the file of a case to look at for a label: of a series the slice that speaks for it most."""
        return analysed.source_for(self.task.label_names.index(label))

    def explain(self, path: Path, labels: Sequence[str], method: str = METHOD) -> list[Heatmap]:
        """Explain some labels of one file over its picture; else as :meth:`saliency`."""
        maps, seen = self.saliency(path, labels, method), self.view(path).shades()
        return [Heatmap(path, label, method, found, seen) for label, found in zip(labels, maps, strict=True)]

    def saliency(self, path: Path, labels: Sequence[str], method: str = METHOD) -> np.ndarray:
        """Explain some labels of one file, from one pass of the network.

        Args:
            path: The file.
            labels: Their names.
            method: A name in :data:`~lungscan_monai.saliency.cams.METHODS`.

        Returns:
            One map for each label, in [0, 1], shape ``(n_labels, H, W)``.

        Raises:
            ReadError: If the file cannot be read.
            ConfigError: If the task has no such label.
            SaliencyError: If there is no such method.
        """
        require_method(method)
        names = self.task.label_names
        if strange := [label for label in labels if label not in names]:
            raise ConfigError(f"{self.task.name} has no label {strange[0]!r}; it has {', '.join(names)}")
        image = torch.tensor(self._read(path).image[None], device=self._model.device)
        wanted = torch.tensor([[names.index(label) for label in labels]])
        with self._alone:
            _, maps = explain(self._model.network, image, wanted, self.task.kind, method)
        return maps[0].cpu().numpy()

    def view(self, path: Path) -> Viewed:
        """Read a file for looking at it.

        Raises:
            ReadError: If it cannot be read.
        """
        return view(self._views, path)


class ModelStore:
    """The bundles that are offered; each model is loaded when it is first asked for, once. Used in a ``with``.

    Args:
        bundles: Their folders; of two with one name, the later is called by its parent folder, too.
        backend: What runs the network for predictions; explanations always take PyTorch.
        workers: Processes that read files, for each model and for looking.

    Raises:
        ConfigError: If there is no bundle.
        TaskError: If the metadata of one do not describe a task.
    """

    def __init__(self, bundles: Sequence[str | os.PathLike], backend: str = "torch", workers: int = 1) -> None:
        if not bundles:
            raise ConfigError("no bundle was named; `lungscan list` shows those that there are")
        self.offers: dict[str, Offer] = {}
        for bundle in bundles:
            offer = _offer(Path(bundle).resolve(), self.offers)
            self.offers[offer.name] = offer
        self._backend, self._workers = backend, workers
        self._open = ExitStack()
        self._served: dict[str, ServedModel] = {}
        self._loading = threading.Lock()

    def __enter__(self) -> ModelStore:
        self._views = self._open.enter_context(DecodingPool(self._workers, read=viewing_values))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def get(self, name: str) -> ServedModel:
        """Return a model, loaded.

        Raises:
            ConfigError: If there is none of that name.
            CheckpointError: If the bundle has no model, or it is damaged.
        """
        if name not in self.offers:
            raise ConfigError(f"there is no model {name!r}; there are {', '.join(self.offers)}")
        with self._loading:
            if name not in self._served:
                offer = self.offers[name]
                model = ExplainingModel(offer.root, backend=self._backend)
                read = self._open.enter_context(reading(offer.root, model, self._workers))
                self._served[name] = ServedModel(offer, model, read, self._views)
            return self._served[name]


def _offer(root: Path, others: dict[str, Offer]) -> Offer:
    task = load_task(root)
    name = root.name if root.name not in others else f"{root.parent.name}/{root.name}"
    metadata = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))
    return Offer(name, root, task, has_model(root), bool(metadata.get(DEMONSTRATION)))
