#!/usr/bin/env bash
# Serve trained bundles by MONAI Label on this machine; `--help` lists what can be said.
#   bash scripts/monailabel/start.sh BUNDLE_FOLDER... --studies DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bash "$here/setup.sh"
exec "${LUNGSCAN_MONAILABEL_VENV:-$here/../../.venv-monailabel}/bin/python" "$here/start.py" "$@"
