"""The five tasks and how a picture of each of their classes is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lungscan_monai.data.phantoms.chest_xray import NIH_FINDINGS, NO_FINDING, chest_xray, findings_with_companions
from lungscan_monai.data.phantoms.ct_kidney import kidney_ct
from lungscan_monai.data.phantoms.ct_lung import lung_ct
from lungscan_monai.data.phantoms.picture import Picture
from lungscan_monai.data.phantoms.request import Request
from lungscan_monai.data.phantoms.strangers import stranger
from lungscan_monai.errors import ConfigError

_SUFFIX = "_classification"


@dataclass(frozen=True)
class PhantomTask:
    """One task as the phantoms see it.

    Args:
        name: Name without the bundle's suffix.
        kind: ``"binary"``, ``"multiclass"`` or ``"multilabel"``.
        labels: Label names in order.
        strata: Sorts of patients, each drawn equally often; for exclusive classes the labels. A sort may be named more
            than once.
        draw: Makes one picture of a patient of one sort.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    strata: tuple[str, ...]
    draw: Callable[[Request, str], Picture]

    def label(self, stratum: str, picture: Picture) -> int | tuple[int, ...]:
        """Return the reference label of a picture: class index, or one of 0 and 1 for each finding."""
        if self.kind == "multilabel":
            return tuple(int(name in picture.masks) for name in self.labels)
        return self.labels.index(stratum)


def phantom_task(name: str) -> PhantomTask:
    """Return a task by its name, with or without ``_classification``.

    Raises:
        ConfigError: If there is none of that name.
    """
    short = name.removesuffix(_SUFFIX)
    if short not in TASKS:
        raise ConfigError(f"there are no phantoms for the task {name!r}; there are {', '.join(TASKS)}")
    return TASKS[short]


def _radiograph_of_class(request: Request, stratum: str) -> Picture:
    if stratum == "Unknown":
        return stranger(request)
    return chest_xray(request, () if stratum == "Normal" else (stratum,))


def _radiograph_of_finding(request: Request, stratum: str) -> Picture:
    return chest_xray(request, findings_with_companions(request, stratum))


def _exclusive(name: str, labels: tuple[str, ...], draw: Callable[[Request, str], Picture]) -> PhantomTask:
    return PhantomTask(name, "binary" if len(labels) == 2 else "multiclass", labels, labels, draw)


TASKS = {
    task.name: task
    for task in (
        _exclusive("pneumonia_cxr", ("Normal", "Pneumonia"), _radiograph_of_class),
        _exclusive("lungscan_cxr", ("Normal", "Pneumonia", "Tuberculosis", "Unknown"), _radiograph_of_class),
        _exclusive("kidney_ct", ("Cyst", "Normal", "Stone", "Tumor"), kidney_ct),
        _exclusive("lung_cancer_ct", ("Normal", "Benign", "Malignant"), lung_ct),
        PhantomTask(
            "nih14_cxr", "multilabel", NIH_FINDINGS, (*(NO_FINDING,) * 4, *NIH_FINDINGS), _radiograph_of_finding
        ),
    )
}
