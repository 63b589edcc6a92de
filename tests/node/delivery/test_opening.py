"""The settings of a destination become the peer that they describe."""

from __future__ import annotations

import pytest
from orthanc import Orthanc
from peers import NODE, write_result

from lungscan_monai.errors import ConfigError
from lungscan_monai.node.delivery.opening import open_peer
from lungscan_monai.node.settings import Destination


def dimse(orthanc: Orthanc, **more) -> Destination:
    return Destination("dimse", host="127.0.0.1", port=orthanc.dicom_port, ae_title=orthanc.ae_title, **more)


@pytest.mark.parametrize("confirm", ["query", "none"])
def test_a_dimse_destination_takes_results(orthanc, tmp_path, make_dicom, confirm):
    result = write_result(tmp_path / "result.dcm", make_dicom)
    peer = open_peer(dimse(orthanc, confirm=confirm), NODE)
    peer.send([result])
    assert peer.confirm([result]) == set()
    assert len(orthanc.stored()) == 1


@pytest.mark.parametrize("confirm", ["query", "retrieve", "none"])
def test_a_dicomweb_destination_takes_results(orthanc, tmp_path, make_dicom, confirm):
    result = write_result(tmp_path / "result.dcm", make_dicom)
    peer = open_peer(Destination("dicomweb", url=orthanc.web, confirm=confirm), NODE)
    peer.send([result])
    assert peer.confirm([result]) == set()
    assert len(orthanc.stored()) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "dicomweb", "url": "https://pacs.example", "confirm": "commitment"},
        {"kind": "dimse", "host": "pacs", "port": 104, "ae_title": "PACS", "confirm": "retrieve"},
    ],
)
def test_a_way_to_confirm_that_the_kind_does_not_have_is_refused(values):
    with pytest.raises(ConfigError, match="confirm"):
        Destination(**values)
