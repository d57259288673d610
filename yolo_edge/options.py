"""Options that several commands share, with their help texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an existing output that yolo-edge made.")]
CalibrationOption = Annotated[
    str | None,
    typer.Option(help="Photos to calibrate on: a folder, COCO json, data yaml or builtin; for int8 also none."),
]
SamplesOption = Annotated[int, typer.Option(min=8, help="Calibration inputs to compose, and the most photos to read.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the choice of photos and of the calibration.")]
MaxBytesOption = Annotated[str | None, typer.Option(help="rd: budget on the wire, as 1.4MB.")]
BitsOption = Annotated[float | None, typer.Option(help="rd: budget, as bits on the wire per parameter.")]
PlanOption = Annotated[Path | None, typer.Option(help="A quantization.yaml to repeat.")]
SensitivityOption = Annotated[
    bool, typer.Option("--sensitivity", help="Measure what each layer's rounding costs: a table and a chart.")
]
ImageSizeOption = Annotated[
    str | None,
    typer.Option(
        help="Input size: 640, height x width as 480x640, or auto: see --aspect. 640 unless the source is .onnx."
    ),
]
AspectOption = Annotated[
    str | None,
    typer.Option(
        help="With --imgsz auto: width to height of the camera's picture, as 4:3, 9:16 or 1280x720. 16:9 by default."
    ),
]
NameOption = Annotated[str | None, typer.Option(help="Name in the manifest; the source's stem by default.")]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Load a checkpoint of your own without the pickle check (it may run any code).")
]
StoreOption = Annotated[
    str,
    typer.Option(envvar="YOLO_EDGE_STORE", help="s3://bucket/prefix, file:///folder or the path of a folder."),
]
EndpointOption = Annotated[
    str | None, typer.Option(help="Address of an S3 service other than Amazon's; else AWS_ENDPOINT_URL_S3.")
]
UrlOption = Annotated[
    str | None, typer.Option(envvar="YOLO_EDGE_URL", help="Where the store is served: look at what arrives there.")
]
ExpectOption = Annotated[
    str | None, typer.Option(help="What the channel must be at: a version, a seq, or none for no channel.")
]
SignOption = Annotated[
    Path | None,
    typer.Option(envvar="YOLO_EDGE_SIGNING_KEY", help="A private Ed25519 key, PEM, to sign with."),
]
ExpiresOption = Annotated[
    str | None,
    typer.Option(help="How long readers may trust the channel file, as 30d. As long as the last file said by default."),
]
