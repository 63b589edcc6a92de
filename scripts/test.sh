#!/usr/bin/env bash
# Make what the tests need, look at the style, run the tests.
#   bash scripts/test.sh [--fast] [PYTEST ARGUMENTS]        --fast leaves out the slow ones
# Tests on real images run where LUNGSCAN_TEST_DATA names their folder; otherwise they are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
environment test
ruff check .
ruff format --check .
if [ "${1:-}" = "--fast" ]; then
    shift
    set -- -m "not slow" "$@"
fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}  # two processes of one thread each: more threads than cores are slow
python -m pytest -n 2 "$@"
