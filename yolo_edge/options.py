"""Options that several commands share, with their help texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an existing output that yolo-edge made.")]
CalibrationOption = Annotated[
    str | None, typer.Option(help="Photos to calibrate on: a folder, COCO json, data yaml, builtin; int8: none too.")
]
SamplesOption = Annotated[int, typer.Option(min=8, help="Calibration inputs to compose, and the most photos to read.")]
SeedOption = Annotated[int, typer.Option(help="Of the choice of photos and of the calibration.")]
MaxBytesOption = Annotated[str | None, typer.Option(help="rd: budget on the wire, as 1.4MB.")]
BitsOption = Annotated[float | None, typer.Option(help="rd: budget in bits on the wire a parameter.")]
PlanOption = Annotated[Path | None, typer.Option(help="A quantization.yaml to repeat.")]
SensitivityOption = Annotated[
    bool, typer.Option("--sensitivity", help="Measure what each layer's rounding costs: a table and a chart.")
]
ImageSizeOption = Annotated[
    str | None, typer.Option(help="Input size: 640, or height x width as 480x640. 640 unless the source is .onnx.")
]
NameOption = Annotated[str | None, typer.Option(help="Name in the manifest; the source's stem by default.")]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Load a checkpoint of your own without the pickle check (it may run any code).")
]
