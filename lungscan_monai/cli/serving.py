"""`lungscan serve` and `lungscan demo`: trained models as a REST service, and as a small page."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from lungscan_monai.bundles import find_bundle, require_model
from lungscan_monai.cli.console import guarded, say, working
from lungscan_monai.optional import require

Bundles = Annotated[
    list[str], typer.Argument(metavar="BUNDLE...", help="Folders of trained bundles, or their names (`lungscan list`).")
]
Host = Annotated[str, typer.Option(help="Address to listen at; 127.0.0.1 is reached from this machine only.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File with the token that whoever asks must show; needed beyond 127.0.0.1."),
]
Backend = Annotated[
    str, typer.Option(metavar="NAME", help="What runs the networks: torch, torch-compile, onnx, openvino or auto.")
]


@guarded("The service has ended.")
def serve(
    bundles: Bundles,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one.")] = 8000,
    token_file: TokenFile = None,
    max_queue: Annotated[
        int, typer.Option(min=1, help="Requests with files that may be here at a time; further ones get 429.")
    ] = 8,
    deadline: Annotated[float, typer.Option(min=0.1, help="Seconds for a request to arrive, and to be answered.")] = 60,
    max_body: Annotated[int, typer.Option(min=1, metavar="BYTES", help="Most bytes of a request.")] = 2**28,
    backend: Backend = "torch",
) -> None:
    """Serve trained models to programs: REST with OpenAPI at /openapi.json, numbers for Prometheus at /metrics.

    Without a token it is reached from this machine only. Logs hold no file names, no addresses and no queries.

    Examples:

    lungscan serve runs/pneumonia

    lungscan serve runs/pneumonia runs/kidney --port 9000 --max-queue 16 --deadline 30

    lungscan serve runs/pneumonia --host 0.0.0.0 --token-file token.txt
    """
    require("serve", "the REST service", "fastapi", "uvicorn", "python_multipart", "prometheus_client")
    roots = _trained(bundles)
    with working():
        from lungscan_monai.apps import serving
        from lungscan_monai.apps.app_settings import read_token, require_token_beyond_loopback

        require_token_beyond_loopback(host, token_file)
        token = None if token_file is None else read_token(token_file)
        settings = serving.ServiceSettings(token, max_queue, deadline, max_body)
        with serving.bound_socket(host, port) as line:
            say(f"Listening at {serving.url_of(line)} once the models are loaded; Ctrl-C ends it.")
            say("Research and teaching only. Not for diagnosis.")
            serving.serve(roots, line, settings, backend)


def _trained(bundles: list[str]) -> list[Path]:
    roots = [find_bundle(bundle) for bundle in bundles]
    for root in roots:
        require_model(root)
    return roots


@guarded("The demonstration has ended.")
def demo(
    bundles: Bundles,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 7860,
    token_file: TokenFile = None,
    language: Annotated[str, typer.Option(metavar="en|id", help="Language that the page begins in.")] = "en",
    backend: Backend = "torch",
) -> None:
    """Show trained models on a small page that is a service for programs, too (Gradio).

    Nothing is sent to another host. With a token, visitors log in with any name and the token as password.

    Examples:

    lungscan demo runs/pneumonia

    lungscan demo runs/pneumonia runs/kidney --port 7870 --language id

    lungscan demo runs/pneumonia --host 0.0.0.0 --token-file token.txt
    """
    if language not in ("en", "id"):
        raise typer.BadParameter(f"{language!r} is neither en nor id", param_hint="--language")
    require("demo", "the demonstration", "gradio", "fpdf")
    roots = _trained(bundles)
    with working():
        from lungscan_monai.apps.app_settings import read_token, require_token_beyond_loopback

        require_token_beyond_loopback(host, token_file)
        token = None if token_file is None else read_token(token_file)
        from lungscan_monai.apps.gradio_app import running

        with running(roots, host, port, token, language, backend):
            say(f"LungScan MONAI at http://{host}:{port}; Ctrl-C ends it.")
            say("Research and teaching only. Not for diagnosis.")
            threading.Event().wait()
