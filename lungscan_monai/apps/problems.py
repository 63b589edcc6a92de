"""What a program is told when it gets no answer: a status, a code, one sentence, as JSON of RFC 9457."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

NOTICE = "Research and teaching only. Not for diagnosis."
"""Stands in every answer."""

NOTICE_HEADER = "X-LungScan-Notice"

MEDIA_TYPE = "application/problem+json"

SERVICE_CODES = {
    "token": "No token was given where one is needed, or a wrong one.",
    "host": "The request names another host than this one.",
    "busy": "As many requests wait as may wait; `Retry-After` says for how many seconds to wait.",
    "body-too-large": "The request has more bytes than the limit.",
    "slow-request": "The request did not arrive within the deadline.",
    "deadline": "The answer took longer than the deadline.",
    "request": "The request is not what the OpenAPI page describes.",
    "no-such-model": "No model of that name is served.",
    "no-such-label": "The model has no label of that name.",
    "no-such-page": "There is nothing at this address, or not by this method.",
    "unexpected": "A defect of the service.",
}
"""Codes of problems with a request; a file that is turned away has a code of the gate, the uploads or the model."""


class Rejected(BaseModel):
    """A file that was turned away."""

    file: str = Field(description="Its name as text, or that of the first file of a series.")
    code: str
    reason: str


class Problem(BaseModel):
    """Why there is no answer (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(description="One of the documented codes.")
    detail: str = Field(description="One sentence.")
    rejected: list[Rejected] = []
    notice: str = NOTICE


class Refusal(Exception):
    """A request gets no answer.

    Args:
        status: Of HTTP.
        code: One of :data:`SERVICE_CODES`, or of a file that was turned away.
        detail: One sentence.
        rejected: The files that were turned away.
    """

    def __init__(self, status: int, code: str, detail: str, rejected: list[Rejected] | None = None) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code, self.detail, self.rejected = status, code, detail, rejected or []


def problem(
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    rejected: list[Rejected] | None = None,
) -> JSONResponse:
    """Return the response for a request that gets no answer."""
    title = SERVICE_CODES.get(code, "No file could be answered for.")
    content = Problem(title=title, status=status, code=code, detail=detail, rejected=rejected or [])
    return JSONResponse(content.model_dump(), status, dict(headers or {}), MEDIA_TYPE)
