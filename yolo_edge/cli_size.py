"""The commands that weigh sizes: bytes on the wire, input pixels, and what both cost."""

from __future__ import annotations

from typing import Annotated

import typer

from yolo_edge.console import print_result
from yolo_edge.options import (
    AspectOption,
    CalibrationOption,
    ForceOption,
    JsonOption,
    SamplesOption,
    SeedOption,
    TrustOption,
)


def frontier(
    source: Annotated[str, typer.Argument(help="A catalogue name (yolo11n-pose), a .pt or an .onnx file.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Directory to make: table (CSV, JSON) and picture.")],
    schemes: Annotated[
        str | None, typer.Option(help="Points, as float16,int8,rd:1.6MB,rd:1.4MB. A range of sizes by default.")
    ] = None,
    photos: Annotated[
        str | None,
        typer.Option(help="Photos to measure on: a folder, COCO json (labels: AP too), data yaml, video, name."),
    ] = None,
    calibration: CalibrationOption = None,
    samples: SamplesOption = 160,
    seed: SeedOption = 0,
    imgsz: Annotated[
        str | None,
        typer.Option(help="Input size as convert takes it, or several: 640,512,auto. The first is compared to."),
    ] = None,
    aspect: AspectOption = None,
    frame_time: Annotated[
        bool, typer.Option("--frame-time/--no-frame-time", help="Take the time of a prediction, in Node.")
    ] = True,
    trust: TrustOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Quantize to a range of sizes, and draw size and frame time against quality."""
    from yolo_edge.verbs.frontier import frontier as verb
    from yolo_edge.verbs.tables import frontier_table

    result = verb(
        source,
        output,
        schemes=schemes,
        photos=photos,
        calibration=calibration,
        samples=samples,
        seed=seed,
        imgsz=imgsz,
        aspect=aspect,
        frame_time=frame_time,
        trust=trust,
        force=force,
    )
    print_result(result.to_json() if as_json else frontier_table(result))


def sizes(
    source: Annotated[str, typer.Argument(help="A catalogue name (yolo11n-pose) or a .pt file.")],
    aspect: Annotated[
        str, typer.Option(help="Shape of the camera's picture, width to height: 4:3, 1280x720.")
    ] = "16:9",
    sides: Annotated[str, typer.Option(help="Longest sides to try; the square of the largest is compared to.")] = (
        "640,512,416,320"
    ),
    photos: Annotated[
        str | None, typer.Option(help="Photos to compare on, cut to the shape: a folder, COCO json, video, name.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The most photos to take.")] = None,
    rounds: Annotated[int, typer.Option(help="Turns that count, of each size.")] = 10,
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the input sizes that fit a camera's picture: frame time, and what is still found."""
    from yolo_edge.verbs.sizes import sizes as verb
    from yolo_edge.verbs.speed_tables import sizes_table

    result = verb(source, aspect=aspect, sides=sides, photos=photos, limit=limit, rounds=rounds, trust=trust)
    print_result(result.to_json() if as_json else sizes_table(result))
