"""`lungscan app`: the web app, in this machine's browser."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lungscan_monai.bundles import find_bundle, find_bundles
from lungscan_monai.cli.console import guarded, say, working

_SERVER = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "server.maxUploadSize": "256",
    "server.enableXsrfProtection": "true",
    "server.enableCORS": "true",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "viewer",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "theme.primaryColor": "#3a87c8",
}


@guarded("The app is stopped.")
def app(
    bundles: Annotated[
        list[str] | None, typer.Argument(metavar="BUNDLES...", help="Trained bundles; all that are found if not given.")
    ] = None,
    demo: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Show a model trained on phantoms, and make it in DIR first.")
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where it is reached.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="On which port.")] = 8501,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with a secret that visitors must know.")
    ] = None,
    allow_url_host: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="Fetch images from this host; give it several times.")
    ] = None,
    language: Annotated[str, typer.Option(metavar="en|id", help="Language that it begins in.")] = "en",
    theme: Annotated[str, typer.Option(metavar="dark|light", help="Theme that it begins in.")] = "dark",
) -> None:
    """Show trained models in a browser: drop images, see answers with what they rest on, keep them.

    Only this machine reaches it, unless --host opens it to a network; then --token-file is needed.

    Examples:

    lungscan app runs/pneumonia

    lungscan app --demo demonstration

    lungscan app runs/pneumonia runs/kidney --host 0.0.0.0 --token-file token.txt --language id
    """
    if language not in ("en", "id"):
        raise typer.BadParameter(f"{language!r} is neither en nor id", param_hint="--language")
    if theme not in ("dark", "light"):
        raise typer.BadParameter(f"{theme!r} is neither dark nor light", param_hint="--theme")
    from lungscan_monai.optional import require

    require("app", "the web app", "streamlit", "fpdf")
    from lungscan_monai.apps.app_settings import AppSettings, require_token_beyond_loopback

    require_token_beyond_loopback(host, token_file)
    roots = [find_bundle(name) for name in bundles or ()]
    if demo is not None:
        roots.insert(0, _demonstration(demo))
    roots = roots or find_bundles()
    settings = AppSettings(
        tuple(map(str, roots)),
        tuple(allow_url_host or ()),
        None if token_file is None else str(token_file.resolve()),
        language,
    )
    say(f"LungScan MONAI at http://{host}:{port} - research and teaching only, not for diagnosis. Ctrl-C stops it.")
    _become_streamlit(
        {**_SERVER, "server.address": host, "server.port": str(port), "theme.base": theme}, settings.to_argument()
    )


def _demonstration(folder: Path) -> Path:
    from lungscan_monai.demonstration import make_demonstration

    say("Making the demonstration model, where it is not there yet: some minutes.")
    with working():
        return make_demonstration(folder)


def _become_streamlit(options: dict[str, str], argument: str) -> None:
    """Go on as Streamlit, so that signals reach it and nothing stays behind."""
    script = Path(__file__).resolve().parents[1] / "apps" / "streamlit_app.py"
    flags = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "streamlit", "run", str(script), *flags, "--", argument]
    os.execv(sys.executable, command)
