"""What all objects of one answer share: whom it is about, who says so, and under which UIDs."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from highdicom import ContributingEquipment
from highdicom.sr import (
    AlgorithmIdentification,
    DeviceObserverIdentifyingAttributes,
    ObserverContext,
)
from pydicom import DataElement, Dataset
from pydicom.charset import python_encoding
from pydicom.sr.codedict import codes

from lungscan_monai import __version__
from lungscan_monai.inference.answering import Reject
from lungscan_monai.inference.studies import Analysed, Heatmap, ModelIdentity
from lungscan_monai.results.codes import private_scheme
from lungscan_monai.results.options import ResultOptions
from lungscan_monai.results.sources import read_header
from lungscan_monai.results.uids import uid_of

MANUFACTURER = "LungScan MONAI"

REPORT, TEXT, PICTURE, MAP, SEGMENTATION, PRESENTATION, KEYS = range(901, 908)
"""The kinds of objects; the numbers are those of their series."""

_DESCRIPTIONS = {
    REPORT: "findings, coded",
    TEXT: "findings, as text",
    PICTURE: "heatmap",
    MAP: "saliency map",
    SEGMENTATION: "salient regions",
    PRESENTATION: "annotation",
    KEYS: "key image",
}


_NAMES = ("PatientName", "ReferringPhysicianName")
_UTF8 = "ISO_IR 192"


@dataclass(frozen=True, eq=False)
class Context:
    """One answer, and what all its objects share.

    Args:
        analysed: The answer.
        identity: Who gave it.
        options: What is made of it.
        headers: Of its sources, by file; without names.
        names: Of patient and referring physician. They are put into the objects last: highdicom takes not every name
            that there is, and complains of a name by quoting it.
    """

    analysed: Analysed
    identity: ModelIdentity
    options: ResultOptions
    headers: dict[Path, Dataset]
    names: tuple[DataElement, ...]

    @cached_property
    def evidence(self) -> list[Dataset]:
        """The headers, in the order of the files; each instance once."""
        return list({header.SOPInstanceUID: header for header in self.headers.values()}.values())

    @property
    def heatmaps(self) -> tuple[Heatmap, ...]:
        """The heatmaps of the answer."""
        return self.analysed.heatmaps

    @cached_property
    def shown(self) -> list[Dataset]:
        """Headers of the images that the answer rests on most: those with a heatmap, else the middle one."""
        sources = {heatmap.source for heatmap in self.heatmaps}
        explained = [header for path, header in self.headers.items() if path in sources]
        return explained or [self.evidence[len(self.evidence) // 2]]

    @property
    def is_refusal(self) -> bool:
        """Whether there is no answer."""
        return isinstance(self.analysed.answer, Reject)

    def instance_uid(self, kind: int, part: str = "", key: str | None = None) -> str:
        """Return the UID of an object that is made of these files.

        Args:
            kind: Of the object.
            part: What tells it from others of its kind, where there are several.
            key: Of the model; this one if None.
        """
        outcome = self.analysed.answer.code if self.is_refusal else "answer"
        return uid_of(f"instance {kind}", key or self.identity.key, outcome, part, *self._instances)

    def series_uid(self, kind: int, key: str | None = None) -> str:
        """Return the UID of the series that it lies in: one for each kind, source series and model."""
        source = self.evidence[0]
        return uid_of(f"series {kind}", key or self.identity.key, source.StudyInstanceUID, source.SeriesInstanceUID)

    def finding_uid(self, label: str) -> str:
        """Return the UID by which a finding is tracked."""
        return uid_of("finding", self.identity.key, label, *self._instances)

    @property
    def character_set(self) -> str | list[str] | None:
        """The source's `SpecificCharacterSet`; UTF-8 if it is unknown, or words of the model are beyond ASCII."""
        found = self.evidence[0].get("SpecificCharacterSet") or None
        names = [found] if isinstance(found, str) else found or []
        identity = self.identity
        words = (identity.name, identity.title, identity.intended_use, *identity.label_names)
        known = all(not name or name in python_encoding for name in names)
        meanings = [code.meaning for code in identity.label_codes]
        return found if known and all(map(str.isascii, (*words, *meanings))) else _UTF8

    @property
    def device_uid(self) -> str:
        """UID of the algorithm as a device: these weights, with what was fitted with them."""
        return uid_of("device", self.identity.key)

    @property
    def _number(self) -> int:
        """Instance number: that of the source, where it has one and there is one source."""
        number = self.evidence[0].get("InstanceNumber")
        return max(1, int(number)) if number and len(self.evidence) == 1 else 1

    @property
    def _instances(self) -> list[str]:
        return sorted(header.SOPInstanceUID for header in self.evidence)

    def common(self, kind: int, part: str = "", number: int = 0) -> dict[str, Any]:
        """Return what every object of highdicom is given.

        Args:
            kind: Of the object.
            part: What tells it from others of its kind, where there are several.
            number: How many of its kind come before it.
        """
        return {
            "series_instance_uid": self.series_uid(kind),
            "series_number": kind,
            "sop_instance_uid": self.instance_uid(kind, part),
            "instance_number": self._number + number,
            "series_description": f"{MANUFACTURER}: {_DESCRIPTIONS[kind]}",
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": self.identity.name[:64],
            "software_versions": [__version__, self.identity.version],
            "device_serial_number": self.identity.sha256[:64],
            "specific_character_set": None,  # highdicom knows not all of them: it is set when the object is made
            "coding_schemes": [private_scheme()],
            "contributing_equipment": [self.equipment()],
        }

    def equipment(self) -> ContributingEquipment:
        """Return the algorithm as an item of the Contributing Equipment Sequence."""
        item = ContributingEquipment(
            MANUFACTURER,
            codes.DCM.ProcessingEquipment,
            manufacturer_model_name=self.identity.name[:64],
            software_versions=[__version__, self.identity.version],
            device_serial_number=self.identity.sha256[:64],
            contribution_description=self.identity.title,
        )
        item.DeviceUID = self.device_uid
        return item

    def algorithm(self) -> AlgorithmIdentification:
        """Return the algorithm as reports identify it (TID 4019)."""
        identity = self.identity
        scale = "calibrated" if identity.calibrated else "not calibrated"
        parameters = [
            f"weights SHA-256 {identity.sha256}",
            f"fitted SHA-256 {identity.fitted}",
            f"probabilities {scale}",
        ]
        return AlgorithmIdentification(
            name=identity.name,
            version=identity.version,
            parameters=[*parameters, f"backend {identity.backend}"],
            manufacturer=MANUFACTURER,
        )

    def observer(self) -> ObserverContext:
        """Return who observed (TID 1002): the algorithm as a device."""
        attributes = DeviceObserverIdentifyingAttributes(
            uid=self.device_uid,
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=self.identity.name,
            serial_number=self.identity.sha256,
        )
        return ObserverContext(codes.DCM.Device, attributes)

    def predecessors(self, kind: int, sop_class: str) -> list[Dataset] | None:
        """Return the document that the model before this one made of these files, as a report names it."""
        key = self.options.predecessor
        if key is None or key == self.identity.key:
            return None
        former = Dataset()
        former.SOPClassUID, former.SOPInstanceUID = sop_class, self.instance_uid(kind, key=key)
        former.StudyInstanceUID, former.SeriesInstanceUID = (
            self.evidence[0].StudyInstanceUID,
            self.series_uid(kind, key),
        )
        return [former]


def context_of(analysed: Analysed, identity: ModelIdentity, options: ResultOptions) -> Context:
    """Read the sources of an answer.

    Raises:
        DataError: If one is not a DICOM image that results can refer to.
    """
    headers = {path: read_header(path) for path in analysed.sources}
    names = tuple(copy(headers[analysed.sources[0]][keyword]) for keyword in _NAMES)
    for header in headers.values():
        for keyword in _NAMES:
            setattr(header, keyword, "")
    return Context(analysed, identity, options, headers, names)
