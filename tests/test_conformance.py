"""The DICOM conformance statement says what the code negotiates."""

from __future__ import annotations

import runpy
from pathlib import Path

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom import AE

from lungscan_monai.node.delivery.contexts import contexts_for, received_contexts

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_has_the_tables_of_the_code():
    script = runpy.run_path(str(ROOT / "scripts" / "conformance.py"))
    text = (ROOT / "docs" / "pacs.md").read_text(encoding="utf-8")
    assert script["page_with_tables"](text) == text, "python scripts/conformance.py"


def test_every_class_and_encoding_of_the_tables_is_accepted_over_the_network():
    entity = AE("LUNGSCAN")
    entity.supported_contexts = received_contexts()
    server = entity.start_server(("127.0.0.1", 0), block=False)
    pairs = [(one.abstract_syntax, syntax) for one in received_contexts() for syntax in one.transfer_syntax]
    association = AE("CALLER").associate(*server.server_address, contexts=contexts_for(pairs))
    accepted = {(one.abstract_syntax, one.transfer_syntax[0]) for one in association.accepted_contexts}
    association.release()
    server.shutdown()
    assert accepted == set(pairs)


def test_each_pair_of_class_and_encoding_is_proposed_once_and_alone():
    pairs = [(CTImageStorage, ExplicitVRLittleEndian), (CTImageStorage, JPEG2000Lossless)]
    contexts = contexts_for([*pairs, pairs[0]])
    assert [(one.abstract_syntax, one.transfer_syntax) for one in contexts] == [(a, [b]) for a, b in pairs]
