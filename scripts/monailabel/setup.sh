#!/usr/bin/env bash
# Make the environment of a MONAI Label server: the toolkit's, and over it MONAI Label with what it imports (about 700 MB).
#   bash scripts/monailabel/setup.sh
# Its folder is .venv-monailabel, or what LUNGSCAN_MONAILABEL_VENV names. See docs/monai-label.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
source scripts/layered_environment.sh
layer "${LUNGSCAN_MONAILABEL_VENV:-$PWD/.venv-monailabel}" scripts/monailabel/requirements.txt "$PWD/scripts/monailabel/stand_ins"
