"""The command ``yolo-edge bench``: the speed of models, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yolo_edge.console import print_result
from yolo_edge.options import ForceOption, JsonOption


def bench(
    models: Annotated[list[Path], typer.Argument(help="Converted directories.")],
    backends: Annotated[
        str, typer.Option(help="Of node, browser:wasm, browser:webgl, browser:webgpu and browser:cpu.")
    ] = "node,browser:wasm",
    peers: Annotated[
        bool,
        typer.Option("--peers", help="Race MoveNet, BlazePose, onnxruntime-web and LiteRT.js beside them (npm, once)."),
    ] = False,
    rounds: Annotated[int, typer.Option(help="Turns that count, of each model.")] = 20,
    threads: Annotated[int, typer.Option(help="Of WebAssembly in pages, for runtimes that take them.")] = 1,
    photo: Annotated[Path | None, typer.Option(help="What is looked at; a photo of ultralytics by default.")] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Tell what each kind of kernel takes.")] = False,
    flag: Annotated[
        list[str] | None, typer.Option(help="Of TensorFlow.js, NAME=VALUE: race each model once more with it.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Directory to make: bench.json, bench.csv, bench.png.")
    ] = None,
    browser: Annotated[Path | None, typer.Option(help="Path of the Chromium to use.")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast models are, turn by turn, on each backend."""
    from yolo_edge.verbs.bench import bench as verb
    from yolo_edge.verbs.speed_tables import bench_table

    result = verb(
        models,
        backends=backends,
        peers=peers,
        rounds=rounds,
        threads=threads,
        photo=photo,
        profile=profile,
        flags=flag or (),
        output=output,
        browser=browser,
        force=force,
    )
    print_result(result.to_json() if as_json else bench_table(result))
