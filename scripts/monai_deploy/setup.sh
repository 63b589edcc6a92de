#!/usr/bin/env bash
# Make the environment of the MONAI Deploy application: the toolkit's, and over it the App SDK with what it imports.
#   bash scripts/monai_deploy/setup.sh
# Its folder is .venv-monai-deploy, or what LUNGSCAN_MONAIDEPLOY_VENV names. See docs/monai-deploy.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
source scripts/layered_environment.sh
layer "${LUNGSCAN_MONAIDEPLOY_VENV:-$PWD/.venv-monai-deploy}" scripts/monai_deploy/requirements.txt
