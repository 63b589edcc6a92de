"""Write the tables of the DICOM conformance statement in docs/pacs.md from the presentation contexts of the code.

    python scripts/conformance.py

A test fails while the page says something else than this script.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydicom.uid import UID
from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID
from pynetdicom.presentation import PresentationContext

from lungscan_monai.node.delivery.contexts import (
    RESULT_SOP_CLASSES,
    RESULT_TRANSFER_SYNTAXES,
    commitment_contexts,
    contexts_for,
    query_contexts,
    received_contexts,
)
from lungscan_monai.node.settings import Dicom

PAGE = Path(__file__).resolve().parents[1] / "docs" / "pacs.md"
_HEAD = ("SOP class", "UID", "transfer syntaxes")
BEGIN, END = "<!-- begin: python scripts/conformance.py -->\n", "<!-- end -->\n"


def tables() -> str:
    """Return the tables as Markdown."""
    sent = contexts_for((sop_class, syntax) for sop_class in RESULT_SOP_CLASSES for syntax in RESULT_TRANSFER_SYNTAXES)
    asked, committing = query_contexts(), commitment_contexts()
    received = received_contexts()
    images = max(received, key=lambda context: len(context.transfer_syntax))
    return "\n".join(
        [
            "**The node as SCP**: others call it; of storage commitment, N-EVENT-REPORT, to the archive's SCP.\n",
            _table(_HEAD, map(_row, [*received, *committing])),
            "**The node as SCU**: it calls the archive.\n",
            _table(_HEAD, map(_row, [*sent, *asked, *committing])),
            "**Transfer syntaxes of images** that are received:\n",
            _table(("transfer syntax", "UID"), [(_name(uid), str(uid)) for uid in images.transfer_syntax]),
            _table(("association", ""), _associations()),
        ]
    )


def page_with_tables(text: str) -> str:
    """Return the page with its tables written anew."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{tables()}\n{END}{rest.split(END, 1)[1]}"


def _row(context: PresentationContext) -> tuple[str, str, str]:
    syntaxes = context.transfer_syntax
    shown = "those of images, below" if len(syntaxes) > 4 else ", ".join(map(_name, syntaxes))
    return _name(context.abstract_syntax), str(context.abstract_syntax), shown


def _name(uid: str) -> str:
    return UID(uid).name.removesuffix(" SOP Class")


def _associations() -> list[tuple[str, str]]:
    settings = Dicom()
    return [
        ("AE title", f"`{settings.ae_title}`, a setting; callers must use it"),
        ("callers", "by AE title and host, on a list; nobody else is answered"),
        ("associations at a time", f"{settings.max_associations}, a setting"),
        ("maximum PDU", f"{settings.max_pdu_bytes} bytes, a setting"),
        ("presentation contexts as SCU", "one for each SOP class and transfer syntax of the files at hand"),
        ("asynchronous operations", "none"),
        ("security", "TLS 1.2 or later with certificates of both sides, a setting (PS3.15 B.9)"),
        ("implementation class UID", f"{PYNETDICOM_IMPLEMENTATION_UID} (pynetdicom)"),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = f"|{'---|' * len(head)}\n"
    lines = [f"| {' | '.join(line)} |\n" for line in rows]
    return f"| {' | '.join(head)} |\n{rule}{''.join(lines)}"


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
