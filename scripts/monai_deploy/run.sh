#!/usr/bin/env bash
# Run the MONAI Deploy application on this machine, without Docker or GPU.
#   bash scripts/monai_deploy/run.sh -i DICOM_FOLDER -o OUTPUT_FOLDER -m BUNDLE_FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bash "$here/setup.sh"
ulimit -s 32768 2>/dev/null || true  # the stack that Holoscan recommends
exec "${LUNGSCAN_MONAIDEPLOY_VENV:-$here/../../.venv-monai-deploy}/bin/python" "$here/app.py" "$@"
