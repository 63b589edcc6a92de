"""`lungscan list`: which bundles there are. It needs the standard library only, so that it answers at once."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from lungscan_monai.bundles import bundle_folders, find_bundles, has_model
from lungscan_monai.cli.console import REJECTED, Json, guarded, print_json, print_table, say
from lungscan_monai.errors import TaskError
from lungscan_monai.task import load_task

_COLUMNS = ["bundle", "question", "kind", "labels", "image", "trained model"]


@guarded("Nothing was changed.")
def list_bundles(json_: Json = False) -> None:
    """List the bundles that are at hand, with their labels and whether they hold a trained model.

    Bundles are looked for in the folders that LUNGSCAN_BUNDLES names, in ./monai_bundles, and beside the package.

    Example: lungscan list --json
    """
    bundles = [_described(path) for path in find_bundles()]
    broken = [bundle for bundle in bundles if "error" in bundle]
    if json_:
        print_json({"bundles": bundles})
    elif bundles:
        print_table(_COLUMNS, [_row(bundle) for bundle in bundles if bundle not in broken])
    else:
        say(f"There are no bundles in {', '.join(map(str, bundle_folders()))}.")
    for bundle in broken:
        say(bundle["error"], typer.colors.RED)
    if broken:
        raise typer.Exit(REJECTED)


def _described(path: Path) -> dict[str, Any]:
    try:
        facts = asdict(load_task(path))
    except TaskError as error:
        return {"name": path.name, "path": str(path), "error": str(error)}
    return {**facts, "path": str(path), "trained": has_model(path)}


def _row(bundle: dict[str, Any]) -> list[str]:
    rows, columns = bundle["image_size"]
    size = f"{bundle['num_channels']}x{rows}x{columns}"
    labels = ", ".join(bundle["label_names"])
    return [bundle["name"], bundle["title"], bundle["kind"], labels, size, "yes" if bundle["trained"] else "no"]
