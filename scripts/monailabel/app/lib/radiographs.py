"""Radiographs of a PACS as MONAI Label's images, over DICOMweb.

MONAI Label's own store asks for one modality (CT), turns each series into NIfTI, which loses MONOCHROME1 and the
window, and keeps labels as DICOM segmentations. Here an image is a series as it was sent, and labels stay beside its
copy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dicomweb_client import DICOMwebClient
from dicomweb_client.session_utils import create_session_from_user_pass
from monailabel.config import settings
from monailabel.datastore.dicom import DICOMwebClientX, DICOMWebDatastore
from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastore

SERIES_UID = "0020000E"
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def connect(url: str) -> DICOMwebClient:
    """Return a client of a DICOMweb service, with the user and password of MONAI Label's settings, if any."""
    user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
    session = create_session_from_user_pass(user, password) if user and password else None
    return DICOMwebClientX(
        url=url,
        session=session,
        qido_url_prefix=settings.MONAI_LABEL_QIDO_PREFIX,
        wado_url_prefix=settings.MONAI_LABEL_WADO_PREFIX,
        stow_url_prefix=settings.MONAI_LABEL_STOW_PREFIX,
    )


class RadiographStore(DICOMWebDatastore):
    """The series of some modalities; each is copied when it is first asked for.

    Args:
        client: Of the DICOMweb service.
        modalities: DICOM `Modality` values to offer.
    """

    def __init__(self, client: DICOMwebClient, modalities: Sequence[str]) -> None:
        self._modalities = tuple(modalities)
        cache = settings.MONAI_LABEL_DICOMWEB_CACHE_PATH.strip() or None
        super().__init__(client, {}, cache, convert_to_nifti=False)

    def list_images(self) -> list[str]:
        """Return the UIDs of the series; a service answers for one modality at a time."""
        found = (self._client.search_for_series(search_filters={"Modality": one}) for one in self._modalities)
        return [series[SERIES_UID]["Value"][0] for answer in found for series in answer]

    def get_image_uri(self, image_id: str) -> str:
        """Return the folder of a series' files.

        Raises:
            ValueError: If this is no UID.
        """
        if not _UID.fullmatch(image_id):
            raise ValueError(f"{image_id!r} is no UID of a series")
        return super().get_image_uri(image_id)

    def get_labeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Return the series that have a final label."""
        return LocalDatastore.get_labeled_images(self)

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Return the series that have none."""
        labelled = set(self.get_labeled_images())
        return [series for series in self.list_images() if series not in labelled]

    def datalist(self, full_path: bool = True) -> list[dict[str, Any]]:
        """Return folder and label file of each labelled series."""
        return LocalDatastore.datalist(self, full_path)

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Keep a label beside the copy of its series; nothing is sent to the PACS."""
        folder = Path(self.get_image_uri(image_id))
        self._datastore.objects.setdefault(
            image_id, ImageLabelModel(image=DataModel(info={"name": folder.name}, ext=""))
        )
        return LocalDatastore.save_label(self, image_id, label_filename, label_tag, label_info)
