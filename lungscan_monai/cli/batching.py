"""`lungscan batch`: a trained model applied to a whole folder, with every file accounted for."""

from __future__ import annotations

import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from lungscan_monai.bundles import find_bundle, require_model
from lungscan_monai.cli.console import REJECTED, Json, guarded, print_json, print_table, progress, say, working
from lungscan_monai.cli.model_options import Backend, CheckInputs, Precision, TrainedBundle

Folder = Annotated[
    str,
    typer.Argument(metavar="FOLDER", help="Files of any kind, in it and below; or a URL as s3://bucket/archive."),
]
Labels = Annotated[Path | None, typer.Option(metavar="CSV", help="Reference labels of the files: makes a report, too.")]
Exact = Annotated[
    bool | None,
    typer.Option(
        "--exact/--no-exact",
        help="Decode large JPEG 2000 pictures in full, though the network needs less; if neither is given, unless the "
        "model answers the first ones alike.",
        show_default=False,
    ),
]
Engine = Annotated[
    str,
    typer.Option(metavar="NAME", help="What works on the files: local or ray; both give the same."),
]
RayAddress = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Ray cluster; started on this machine if not given.")
]


@guarded("What is through is recorded; give the same command with --resume to go on.")
def batch(
    bundle: TrainedBundle,
    folder: Folder,
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Folder of the results.")],
    labels: Labels = None,
    explain: Annotated[bool, typer.Option("--explain", help="Write a heatmap of each decision.")] = False,
    exact: Exact = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Look at the first N files only.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in DIR, if there is one.")] = False,
    deidentify: Annotated[
        bool, typer.Option("--deidentify", help="Write pseudonyms in place of file names, UIDs and patients.")
    ] = False,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Key of the pseudonyms; made in DIR if not given.")
    ] = None,
    backend: Backend = "torch",
    precision: Precision = "float32",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that read files; one for each processor if not given.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in one pass of the network.")] = 16,
    check_inputs: CheckInputs = True,
    engine: Engine = "local",
    ray_address: RayAddress = None,
    model_cores: Annotated[
        int, typer.Option(min=1, help="With Ray: processors of each copy of the model, where there is no GPU.")
    ] = 1,
    json_: Json = False,
) -> None:
    """Apply a trained model to all files in and below a folder.

    Every file is accounted for: answered in predictions.csv, or skipped or rejected with a reason in rejects.csv; with
    rejects the exit code is 3. A run that was stopped goes on with --resume, and ends as if it had not been.

    Examples:

    lungscan batch runs/pneumonia archive/ --output results

    lungscan batch runs/pneumonia archive/ --output trial --limit 100

    lungscan batch runs/pneumonia archive/ --output results --resume

    lungscan batch runs/pneumonia archive/ --output results --labels labels.csv --explain --deidentify

    lungscan batch runs/pneumonia s3://bucket/archive --output results --engine ray --ray-address 10.0.0.5:6379
    """
    root = find_bundle(bundle)
    require_model(root)
    started = time.monotonic()
    with working():
        from lungscan_monai.inference.batch_run import BatchSettings, run_batch

        settings = BatchSettings(
            batch_size=batch_size,
            workers=workers,
            backend=backend,
            precision=precision,
            check_inputs=check_inputs,
            explain=explain,
            exact=exact,
            limit=limit,
            deidentify=deidentify,
            key=key,
            labels=labels,
            resume=resume,
            engine=engine,
            ray_address=ray_address,
            model_cores=model_cores,
        )
        with redirect_stdout(sys.stderr), progress("files") as show:  # Ray prints what it has to say of lost nodes
            summary = run_batch(root, folder, output, settings, show)
    _tell(summary, output, time.monotonic() - started, json_)
    if summary["rejected"]:
        raise typer.Exit(REJECTED)


def _tell(summary: dict[str, Any], output: Path, seconds: float, as_json: bool) -> None:
    if as_json:
        print_json({"output": str(output), **summary})
    else:
        names = ("found", "done", "assessed", "skipped", "rejected")
        print_table(["files", "number"], [[name, str(summary[name])] for name in names])
        for what in ("not_assessable", "skipped_by_code", "rejected_by_code"):
            if summary[what]:
                kinds = ", ".join(f"{count} {code}" for code, count in summary[what].items())
                say(f"{what.removesuffix('_by_code').replace('_', ' ').capitalize()}: {kinds}.")
        if not summary["exact"]:
            say("JPEG 2000 pictures, if large, were decoded smaller than they are; --exact decodes all in full.")
        say(f"Results: {output}, in {seconds:.1f} s")
    say("Research and teaching only. Not for diagnosis.")
