"""Stored values are those that GDCM decodes, a library of its own that shares no code with ours or with pydicom's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import pixel_array
from pydicom.pixels.processing import apply_modality_lut

from lungscan_monai.dicom.pixels import GREY, hounsfield
from lungscan_monai.errors import ReadError

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
OTHERWISE = {
    "rtdose_expb.dcm": "GDCM leaves 32 bits in their big-endian order",
    "rtdose_expb_1frame.dcm": "the same",
    "JPGExtended.dcm": "with loss: the two decoders round some values otherwise, by one",
}


def decompressed(path: Path, folder: Path) -> Path | None:
    """Let GDCM write a file without compression; None where it cannot."""
    out = folder / path.name
    done = subprocess.run(["gdcmconv", "--raw", path, out], capture_output=True, check=False)
    return out if done.returncode == 0 and out.exists() else None


@pytest.mark.skipif(shutil.which("gdcmconv") is None, reason="gdcmconv is not installed (libgdcm-tools)")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_grey_frames_of_pydicoms_files_are_those_that_gdcm_decodes(tmp_path: Path) -> None:
    compared, compressed = 0, 0
    for path in sorted(FILES.rglob("*.dcm")):
        header = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        if header.get("PhotometricInterpretation") not in GREY or path.name in OTHERWISE:
            continue
        if "SharedFunctionalGroupsSequence" in header or (raw := decompressed(path, tmp_path)) is None:
            continue
        try:
            found = hounsfield(path, 0)
        except ReadError:
            continue  # which ones are not read stands in test_encodings
        dataset = pydicom.dcmread(raw, force=True)
        expected = apply_modality_lut(pixel_array(dataset, index=0), dataset)
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=path.name)
        compared += 1
        compressed += header.file_meta.TransferSyntaxUID.is_compressed
    assert compared >= 20 and compressed >= 8
