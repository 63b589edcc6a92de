"""Apply a trained bundle to all files of a folder: ``lungscan batch`` for those who start scripts.

Run ``python scripts/batch_evaluate.py BUNDLE FOLDER --output DIR [--labels CSV]``; ``--help`` shows all options.
"""

from __future__ import annotations

import typer

from lungscan_monai.cli.batching import batch

if __name__ == "__main__":
    typer.run(batch)
