"""Explanations on disk: pictures for people, arrays for programs, and one index of both."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from lungscan_monai.errors import OutputError, SaliencyError
from lungscan_monai.saliency.measures import agreement, peak
from lungscan_monai.saliency.overlay import as_rgb, overlay, resize_map
from lungscan_monai.storage import replacing, write_json

INDEX_NAME = "index.json"
MAX_READABLE = 80
"""Characters of case and label that a file name repeats; a hash of both makes it unique."""


def safe_name(case_id: str, label_name: str) -> str:
    """Return a file name, without ending, for one explained label of one case.

    It has only ASCII letters, digits, ``.``, ``_`` and ``-``, starts with a letter or digit, and differs for any two
    different pairs on any file system.

    Example:
        >>> safe_name("../Pasién 7.png", "Pneumonia")
        'Pasi_n_7.png-Pneumonia-83ede94a91'
    """
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{case_id}-{label_name}").lstrip("._-")[-MAX_READABLE:].lstrip("._-")
    digest = hashlib.sha256(f"{len(case_id)}:{case_id}{label_name}".encode(errors="surrogatepass")).hexdigest()[:10]
    return f"{readable}-{digest}" if readable else digest


class ExplanationStore:
    """Write explanations into a folder: ``overlays/*.png``, ``maps/*.npy`` and, at the end, ``index.json``.

    Pictures without colours go to ``pictures/*.png`` where they are asked for.

    An overlay has the resolution of its image; an array has that of the network's input, as float16 in [0, 1].
    The index is a list with one record for each explanation, in the order in which they came.

    Args:
        folder: Where to write; made if it is missing.
        method: Name of the method, recorded.
        layer: Name of the layer, recorded; None for a method that looks at none.
        model_sha256: Hash of the model file, recorded.

    Example:
        >>> with ExplanationStore(folder, "gradcam", "backbone", sha256) as store:  # doctest: +SKIP
        ...     store.add("p17/front.png", "Pneumonia", 0.93, saliency, image)
    """

    def __init__(self, folder: str | os.PathLike, method: str, layer: str | None, model_sha256: str) -> None:
        self.folder = Path(folder)
        self._common = {"method": method, "layer": layer, "model_sha256": model_sha256}
        self._records: dict[str, dict[str, Any]] = {}

    def add(
        self,
        case_id: str,
        label_name: str,
        probability: float,
        saliency: np.ndarray,
        image: np.ndarray,
        mask: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """Store one explanation.

        Args:
            case_id: Which case; any text.
            label_name: Which label is explained.
            probability: The probability that the network gave it, in [0, 1].
            saliency: Shape ``(h, w)``, in [0, 1].
            image: Shape ``(H, W)`` or ``(C, H, W)``, in [0, 1], in its own resolution.
            mask: Where the finding is (not 0), shape ``(H, W)``; None where that is unknown.

        Returns:
            Its record: case, label, probability, method, layer, model_sha256, overlay and map (paths from the folder),
            peak ([row, column] in the image, None for a map of zeros); with a mask also the fields of
            :class:`~lungscan_monai.saliency.measures.Agreement`.

        Raises:
            OutputError: If a file cannot be written.
            SaliencyError: If this label of this case is already there, or the map is not finite.
            ShapeError: If an array has the wrong shape.
            NotComputableError: If the mask is empty.
        """
        name = safe_name(case_id, label_name)
        if name in self._records:
            raise SaliencyError(f"case {case_id!r}, label {label_name!r}: already explained in {self.folder}")
        if not np.isfinite(saliency).all():
            raise SaliencyError(f"case {case_id!r}, label {label_name!r}: the saliency map is not finite")
        full = resize_map(saliency, image.shape[-2:])
        record: dict[str, Any] = {
            "case": case_id,
            "label": label_name,
            "probability": float(probability),
            **self._common,
            "overlay": f"overlays/{name}.png",
            "map": f"maps/{name}.npy",
            "peak": peak(full),
        }
        if mask is not None:
            record |= asdict(agreement(full, mask))
        write_png(self.folder / record["overlay"], overlay(image, saliency))
        with replacing(self.folder / record["map"]) as part, part.open("wb") as stream:
            np.save(stream, saliency.astype(np.float16))
        self._records[name] = record
        return record

    def add_picture(self, case_id: str, image: np.ndarray) -> str:
        """Store an image as it is, for a page that shows it beside its overlay.

        Args:
            case_id: Which case.
            image: Shape ``(H, W)`` or ``(C, H, W)``, in [0, 1].

        Returns:
            Path of the PNG, from the folder.

        Raises:
            OutputError: If the file cannot be written.
            ShapeError: If the image has the wrong shape.
        """
        path = f"pictures/{safe_name(case_id, '')}.png"
        write_png(self.folder / path, np.rint(np.clip(as_rgb(image), 0, 1) * 255).astype(np.uint8))
        return path

    def close(self) -> None:
        """Write the index of what was added.

        Raises:
            OutputError: If it cannot be written.
        """
        write_json(self.folder / INDEX_NAME, list(self._records.values()))

    def __enter__(self) -> ExplanationStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_png(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Write RGB, uint8, ``(H, W, 3)`` as PNG so that a crash leaves no half a file.

    Raises:
        OutputError: If the folder cannot be written, or the picture is too large for PNG.
    """
    encoded, content = cv2.imencode(".png", picture[..., ::-1])
    if not encoded:
        raise OutputError(f"{path}: a picture of shape {picture.shape} could not be encoded as PNG")
    with replacing(path) as part:
        part.write_bytes(content.tobytes())
