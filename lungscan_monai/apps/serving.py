"""The REST service: files in, answers of the served models out; `lungscan serve`.

Every request passes the :class:`~lungscan_monai.apps.guarding.Guard`, every file the gate and a decoding worker, and
every answer, also the one that there is none, says that it is not for diagnosis.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from lungscan_monai import __version__
from lungscan_monai.apps.desk import Desk, TooLate
from lungscan_monai.apps.guarding import Guard
from lungscan_monai.apps.models import ModelStore
from lungscan_monai.apps.problems import MEDIA_TYPE, NOTICE, Problem, Refusal, problem
from lungscan_monai.apps.replies import Answer, Health, Models
from lungscan_monai.apps.service import Service
from lungscan_monai.apps.uploads import Upload
from lungscan_monai.errors import ConfigError, LungScanError, OutputError
from lungscan_monai.saliency.cams import METHODS

QUICK_METHODS = tuple(name for name in METHODS if name != "occlusion")
"""Methods of heatmaps that take one pass of the network; a service has no time for others."""

_PNG = "image/png"
_CONNECTIONS = 256

logger = logging.getLogger(__name__)

Files = Annotated[list[UploadFile], File(min_length=1, description="Pictures, DICOM files, or zip archives of them.")]
ModelName = Annotated[str | None, Form(description="One of `GET /v1/models`; the first one if not given.")]
Label = Annotated[str | None, Form(description="Label to explain; the decided one if not given.")]
Method = Annotated[Literal[QUICK_METHODS], Form(description="How the heatmap is made.")]  # type: ignore[valid-type]


@dataclass(frozen=True)
class ServiceSettings:
    """How the service is run.

    Args:
        token: What whoever asks must show; None for a service on loopback only.
        places: Requests with files that may be here at a time; further ones get 429.
        seconds: Deadline of a request: for its arrival, and for its answer.
        body_bytes: Most bytes of a request.

    Raises:
        ConfigError: If a number is not above 0.
    """

    token: str | None = None
    places: int = 8
    seconds: float = 60.0
    body_bytes: int = 2**28

    def __post_init__(self) -> None:
        if min(self.places, self.seconds, self.body_bytes) <= 0:
            raise ConfigError(f"service: {self.places} places, {self.seconds} s, {self.body_bytes} bytes; all above 0")


def create_app(store: ModelStore, settings: ServiceSettings, desk: Desk) -> Guard:
    """Return the service as an ASGI application.

    Args:
        store: The models, entered; all are loaded now.
        settings: How the service is run.
        desk: Where requests wait, entered.

    Raises:
        CheckpointError: If a bundle has no model, or it is damaged.
    """
    service = Service(store, settings.body_bytes, desk)
    app = FastAPI(
        title="LungScan MONAI",
        version=__version__,
        description=NOTICE,
        docs_url=None,  # its page loads scripts from another host
        redoc_url=None,
        dependencies=[Depends(HTTPBearer(auto_error=False))] if settings.token else [],
        responses={status: _described(sentence) for status, sentence in _REFUSALS.items()},
    )
    app.include_router(_asking(service))
    app.include_router(_answering(service, desk))
    _tell_problems(app)
    app.openapi_schema = _with_problems(_with_names(app.openapi(), [model.name for model in service.models]))
    paths = frozenset((*app.openapi_schema["paths"], app.openapi_url))
    return Guard(app, paths, desk, service.meters, settings.token, settings.body_bytes)


def _asking(service: Service) -> APIRouter:
    router = APIRouter()

    @router.get("/health", summary="Whether the service answers")
    async def health() -> Health:
        return Health(models=len(service.models), version=__version__)

    @router.get("/metrics", summary="Numbers for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(generate_latest(service.meters.registry), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/models", summary="The models that are served")
    async def models() -> Models:
        return Models(models=service.models)

    return router


def _answering(service: Service, desk: Desk) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.post("/predict", summary="What a model says about some files")
    async def predict(file: Files, model: ModelName = None) -> Answer:
        return await desk.ask(service.predict, await _read(file), model)

    @router.post(
        "/explain",
        summary="The same, with heatmaps; with `Accept: image/png` the first picture with its heatmap",
        response_model=Answer,
        responses={200: {"content": {_PNG: {"schema": {"type": "string", "format": "binary"}}}}},
    )
    async def explain(
        request: Request, file: Files, model: ModelName = None, label: Label = None, method: Method = QUICK_METHODS[0]
    ) -> Any:
        as_picture = _PNG in request.headers.get("accept", "")
        found = await desk.ask(service.explain, await _read(file), model, label, method, as_picture)
        return Response(found, media_type=_PNG) if isinstance(found, bytes) else found

    return router


async def _read(files: Sequence[UploadFile]) -> list[Upload]:
    return [Upload(file.filename or "", await file.read()) for file in files]


_REFUSALS = {
    400: "The request is damaged.",
    401: "The token is missing or wrong.",
    404: "There is no such model.",
    408: "The request did not arrive within the deadline.",
    413: "The request has more bytes than the limit.",
    421: "The request names another host than this one.",
    422: "The request is not as described, or no file of it can be answered for.",
    429: "As many requests wait as may wait; `Retry-After` says for how many seconds to wait.",
    500: "A defect of the service.",
    504: "The answer took longer than the deadline.",
}


def _described(sentence: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {"description": sentence, "content": {MEDIA_TYPE: {"schema": schema}}}


def _with_names(page: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Name the models that are served where a request names one."""
    for schema in page["components"]["schemas"].values():
        if schema["title"].startswith("Body_"):
            schema["properties"]["model"]["anyOf"][0]["enum"] = names
    return page


def _with_problems(page: dict[str, Any]) -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return page | {
        "components": page["components"]
        | {"schemas": page["components"]["schemas"] | schema.pop("$defs") | {Problem.__name__: schema}}
    }


def _tell_problems(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> Response:
        return problem(error.status, error.code, error.detail, rejected=error.rejected)

    @app.exception_handler(TooLate)
    async def too_late(_: Request, error: TooLate) -> Response:
        return problem(504, "deadline", "the answer took longer than the deadline; send fewer or smaller files")

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        places = {".".join(str(part) for part in defect["loc"]) + f" ({defect['type']})" for defect in error.errors()}
        return problem(422, "request", f"not as described in /openapi.json: {', '.join(sorted(places))}")

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        code = "request" if error.status_code == 400 else "no-such-page"
        return problem(error.status_code, code, str(error.detail), error.headers)

    @app.exception_handler(LungScanError)
    async def unusable(_: Request, error: LungScanError) -> Response:
        logger.error("a request failed: %s", error)
        return problem(500, "unexpected", "the service cannot answer; its log says more")

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        return problem(500, "unexpected", "a defect of the service; its log says more")


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address; port 0 takes any that is free.

    Raises:
        OutputError: If the address is not to be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_CONNECTIONS)
    except OSError as error:
        raise OutputError(
            f"{host}:{port}: cannot listen here ({error.strerror or error}); choose another --port"
        ) from error


def url_of(line: socket.socket) -> str:
    """Return the URL of what listens at a socket."""
    host, port = line.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(bundles: Sequence[Path], line: socket.socket, settings: ServiceSettings, backend: str = "torch") -> None:
    """Answer requests until somebody ends the program.

    Args:
        bundles: Folders of trained bundles.
        line: Where they come in.
        settings: How the service is run.
        backend: What runs the networks.

    Raises:
        ConfigError: If there is no bundle, or no such backend.
        CheckpointError: If a bundle has no model, or it is damaged.
    """
    with ExitStack() as stack:
        store = stack.enter_context(ModelStore(bundles, backend))
        desk = stack.enter_context(Desk(settings.places, settings.seconds))
        server_of(create_app(store, settings, desk), settings.seconds).run(sockets=[line])


def server_of(app: Guard, seconds: float) -> uvicorn.Server:
    """Return what listens for an application.

    Args:
        app: The application.
        seconds: How long requests that are here may take when the end comes.
    """
    config = uvicorn.Config(
        app,
        access_log=False,  # it would name files and addresses; the guard has one of its own
        log_config=None,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=round(seconds) + 1,
    )
    return uvicorn.Server(config)
