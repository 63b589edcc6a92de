"""`lungscan doctor`: is this machine ready?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lungscan_monai import __version__
from lungscan_monai.cli.console import MISSING, Json, guarded, print_json, print_table, say


@guarded("Nothing was changed.")
def doctor(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder that results shall be written into.")] = Path(),
    json_: Json = False,
) -> None:
    """Examine this machine: Python, packages, torch, GPU, memory, disk, DICOM decoders, weights.

    The exit code is 9 if something is missing that is needed; each line says what mends it. No network is used.

    Example: lungscan doctor --json
    """
    from lungscan_monai import doctor as machine

    checks = machine.examine(output)
    missing = [check for check in checks if check.status == machine.MISSING]
    if json_:
        print_json({"version": __version__, "ready": not missing, "checks": [asdict(check) for check in checks]})
    else:
        print_table(
            ["what", "status", "found", "what to do"],
            [[check.name, check.status, check.detail, check.remedy] for check in checks],
            title=f"lungscan {__version__}",
        )
    if missing:
        say(f"Missing or not fitting: {', '.join(check.name for check in missing)}.", typer.colors.RED)
        raise typer.Exit(MISSING)
    say("Ready.", typer.colors.GREEN)
