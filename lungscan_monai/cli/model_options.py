"""The options of every verb that applies a trained model."""

from __future__ import annotations

from typing import Annotated

import typer

TrainedBundle = Annotated[
    str, typer.Argument(metavar="BUNDLE", help="Folder of a trained bundle, or its name (`lungscan list`).")
]
Backend = Annotated[
    str, typer.Option(metavar="NAME", help="What runs the network: torch, torch-compile, onnx, openvino or auto.")
]
Precision = Annotated[str, typer.Option(metavar="NAME", help="float32, or int8 or bfloat16 where that agrees.")]
CheckInputs = Annotated[
    bool,
    typer.Option("--check-inputs/--no-check-inputs", help="Give no answer for images unlike the validation cases."),
]
