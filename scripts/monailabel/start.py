"""Serve trained bundles by MONAI Label, in its own `monaibundle` app or in ours; started by start.sh."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from placing import place_bundles

from lungscan_monai.errors import LungScanError

HERE = Path(__file__).resolve().parent
LOOPBACK = ("127.0.0.1", "localhost")
STOCK, OURS = "monaibundle", "lungscan"
FORMATS = ("nii.gz", "nii", "nrrd", "mha", "png", "jpg", "jpeg", "tif", "tiff", "dcm", "DCM")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="start.sh", description=__doc__)
    parser.add_argument("bundles", nargs="+", metavar="BUNDLE", help="folder of a trained bundle")
    parser.add_argument("--studies", required=True, help="folder of images, or http(s)://HOST/dicom-web of a PACS")
    parser.add_argument("--app", choices=(STOCK, OURS), default=STOCK, help="MONAI Label's own app, or ours")
    parser.add_argument("--work", default="monailabel_work", type=Path, help="folder for the app and its caches")
    parser.add_argument("--host", default="127.0.0.1", help="this machine alone, if not given")
    parser.add_argument("--port", default=8000, type=int)
    return parser.parse_args()


def place_app(name: str, work: Path) -> Path:
    """Copy an app into the work folder, where MONAI Label may write, and return its folder there."""
    source = HERE / "app" if name == OURS else Path(sys.prefix) / "monailabel" / "sample-apps" / STOCK
    ignored = shutil.ignore_patterns("__pycache__", "model", "logs")
    return Path(shutil.copytree(source, work.resolve() / name, ignore=ignored, dirs_exist_ok=True))


def environment(work: Path) -> dict[str, str]:
    """Return the environment variables of the server; those that are set already stay as they are."""
    wanted = {
        "BUNDLE_DOWNLOAD_SRC": "ngc",  # the default asks GitHub for the list of the model zoo at every start
        "MONAI_LABEL_DATASTORE_FILE_EXT": json.dumps([f"*.{suffix}" for suffix in FORMATS]),
        "MONAI_LABEL_SESSION_PATH": str(work.resolve() / "sessions"),
        "MONAI_LABEL_DICOMWEB_CACHE_PATH": str(work.resolve() / "dicomweb"),
        "PYTHONPATH": str(HERE),
    }
    return {**wanted, **os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def main() -> None:
    """Place app and bundles, and become the server."""
    given = arguments()
    app = place_app(given.app, given.work)
    try:
        names = place_bundles(given.bundles, app / "model")
    except LungScanError as error:
        sys.exit(f"error: {error}")
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(app), "--studies", given.studies]
    command += ["--host", given.host, "--port", str(given.port), "--conf", "models", ",".join(names)]
    if given.app == STOCK:  # its training knows no class labels, and its SAM 2 model would be downloaded
        command += ["--conf", "skip_trainers", "true", "--conf", "sam2", "false"]
    if given.host in LOOPBACK:
        command += ["--uvicorn_app", "same_origin:app"]
    os.execve(sys.executable, command, environment(given.work))


if __name__ == "__main__":
    main()
