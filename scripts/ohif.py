"""Look at an archive in the OHIF viewer, on this machine only.

    python scripts/ohif.py http://127.0.0.1:8042/dicom-web

The viewer (MIT licence) is fetched once from the npm registry, by npm, in one fixed version whose hash is checked,
and kept in a cache folder. It is served on loopback; what it asks the archive for goes through this script, reading
only, so that the archive needs no settings for it. The page may ask no other host for anything.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.client
import json
import mimetypes
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

VERSION = "3.12.10"
SHA512 = "0kuF66Mq9c9dMD++bUsTjMrJpXJwaZhz9B4uS244DawAjSkTwIYFU93pxPuRUQixaRi7QAHlF3Fe1qudBlZrmA=="
PROXIED = "/dicom-web"
CONFIG = {
    "routerBasename": None,
    "extensions": [],
    "modes": [],
    "customizationService": [{"ohif.tours": {"$set": []}}],
    "showStudyList": True,
    "investigationalUseDialog": {"option": "never"},
    "defaultDataSourceName": "archive",
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "archive",
            "configuration": {
                "friendlyName": "the archive behind scripts/ohif.py",
                "name": "archive",
                "qidoRoot": PROXIED,
                "wadoRoot": PROXIED,
                "qidoSupportsIncludeField": False,
                "imageRendering": "wadors",
                "thumbnailRendering": "wadors",
                "enableStudyLazyLoad": True,
                "supportsFuzzyMatching": False,
                "supportsWildcard": True,
                "omitQuotationForMultipartRequest": True,
            },
        }
    ],
}
OWN_HOST_ONLY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:"
BLOCK = 1 << 16


def cache_folder() -> Path:
    """Return where the viewer is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lungscan-monai"


def viewer(cache: Path) -> Path:
    """Return the folder of the viewer's files, fetched if they are not there.

    Args:
        cache: Folder that receives `ohif-<version>`: 160 MB.

    Raises:
        SystemExit: If npm is missing or fails, or what came is not what this script knows.
    """
    folder = cache / f"ohif-{VERSION}"
    if folder.is_dir():
        return folder
    if shutil.which("npm") is None:
        raise SystemExit("npm is not installed; it comes with Node.js")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        command = ["npm", "pack", f"@ohif/app@{VERSION}", "--silent", "--pack-destination", scratch]
        if subprocess.run(command, stdout=subprocess.DEVNULL, cwd=scratch).returncode:
            raise SystemExit(f"npm could not fetch @ohif/app {VERSION}; is the registry within reach?")
        archive = next(Path(scratch).glob("*.tgz"))
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != SHA512:
            raise SystemExit(
                f"{archive.name}: is not the @ohif/app {VERSION} that this script knows; nothing was unpacked"
            )
        with tarfile.open(archive) as packed:
            wanted = [one for one in packed if one.name.startswith("package/dist/") and not one.name.endswith(".map")]
            packed.extractall(scratch, wanted, filter="data")
        (Path(scratch) / "package" / "dist").rename(folder)
    return folder


def server(files: Path, archive: str, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of the viewer on loopback, not yet serving.

    Args:
        files: The viewer's folder.
        archive: Root of the archive's DICOMweb services.
        port: Port; 0 for any that is free.
    """
    target = urlsplit(archive.rstrip("/"))
    root = files.resolve()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == PROXIED or path.startswith(f"{PROXIED}/"):
                self._proxied()
            elif path == "/app-config.js":
                self._answer(f"window.config = {json.dumps(CONFIG)};".encode(), "text/javascript")
            else:
                self._file(path)

        def _file(self, path: str) -> None:
            file = (root / unquote(path).lstrip("/")).resolve()
            if not (file.is_relative_to(root) and file.is_file()):
                file = root / "index.html"  # an address of the viewer's own
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            self._answer(file.read_bytes(), kind)

        def _answer(self, body: bytes, kind: str) -> None:
            self._begin(200, kind, len(body))
            self.wfile.write(body)

        def _begin(self, status: int, kind: str, length: int) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length))
            self.send_header("Content-Security-Policy", OWN_HOST_ONLY)
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            self.end_headers()

        def _proxied(self) -> None:
            kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
            connection = kind(target.hostname, target.port, timeout=60)
            try:
                accept = {"Accept": self.headers.get("Accept", "*/*")}
                connection.request("GET", target.path + self.path.removeprefix(PROXIED), headers=accept)
                answer = connection.getresponse()
                body = answer.read()
                self._begin(answer.status, answer.getheader("Content-Type", "application/json"), len(body))
                self.wfile.write(body)
            except (OSError, http.client.HTTPException) as error:
                self.send_error(502, f"the archive does not answer ({type(error).__name__})")
            finally:
                connection.close()

        def log_message(self, *_: object) -> None:
            """Say nothing: addresses hold UIDs."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", help="root of the archive's DICOMweb services")
    parser.add_argument("--port", type=int, default=3000, help="port on 127.0.0.1 (default: 3000)")
    parser.add_argument("--cache", type=Path, default=cache_folder(), help="where the viewer is kept")
    arguments = parser.parse_args()
    with server(viewer(arguments.cache), arguments.archive, arguments.port) as serving:
        print(f"OHIF shows {arguments.archive} at http://127.0.0.1:{serving.server_port}", flush=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            print("ended", file=sys.stderr)


if __name__ == "__main__":
    main()
