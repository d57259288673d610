"""The command line: one command a verb. A command parses, calls the verb, prints; :func:`main` is the only exit.

Results go to stdout (``--json``: one JSON document), talk and progress to stderr.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer
import typer.exceptions

from yolo_edge.cli_bench import bench
from yolo_edge.cli_benchmark import benchmark_app
from yolo_edge.cli_doctor import doctor
from yolo_edge.cli_panels import KEEP, MAKE, PROVE, PUBLISH, WEIGH, CommandPanels
from yolo_edge.cli_release import release
from yolo_edge.cli_size import frontier, sizes
from yolo_edge.cli_store import add_store_commands
from yolo_edge.console import SilentReporter, TerminalReporter, print_result, reporting_to
from yolo_edge.errors import INTERRUPTED_EXIT_CODE, UsageError, YoloEdgeError
from yolo_edge.options import (
    AspectOption,
    BitsOption,
    CalibrationOption,
    ForceOption,
    ImageSizeOption,
    JsonOption,
    MaxBytesOption,
    NameOption,
    PlanOption,
    SamplesOption,
    SeedOption,
    SensitivityOption,
    TrustOption,
)

app = typer.Typer(
    name="yolo-edge",
    cls=CommandPanels,
    help="Takes Ultralytics YOLO pose weights to every browser.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(benchmark_app, name="benchmark", rich_help_panel=PROVE)

_DEBUG_VARIABLE = "YOLO_EDGE_DEBUG"

_ALLOCATIONS_BETWEEN_COLLECTIONS = 100_000
"""Importing torch and tracing a net make a million objects that stay: looking through them every 700 allocations, which
is Python's default, takes a tenth of a conversion's time."""


def _show_version(wanted: bool) -> None:
    if wanted:
        import yolo_edge

        print(yolo_edge.__version__)
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but errors.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Takes Ultralytics YOLO pose weights to every browser."""
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(UsageError.exit_code)
    context.with_resource(reporting_to(SilentReporter() if quiet else TerminalReporter()))


@app.command(rich_help_panel=MAKE)
def convert(
    source: Annotated[str, typer.Argument(help="A catalogue name (yolo11n-pose), a .pt or an .onnx file.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Directory to make.")],
    imgsz: ImageSizeOption = None,
    aspect: AspectOption = None,
    quantize: Annotated[str, typer.Option(help="float32, float16, int8, int4 or rd.")] = "float32",
    calibration: CalibrationOption = None,
    samples: SamplesOption = 160,
    seed: SeedOption = 0,
    max_bytes: MaxBytesOption = None,
    bits: BitsOption = None,
    plan: PlanOption = None,
    sensitivity: SensitivityOption = False,
    engine: Annotated[str, typer.Option(help="direct or tensorflow.")] = "direct",
    onnx: Annotated[str | None, typer.Option(help="keep: leave model.onnx in the directory.")] = None,
    end2end: Annotated[bool, typer.Option("--end2end", help="YOLO26: export the end-to-end output.")] = False,
    name: NameOption = None,
    trust: TrustOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Convert pose weights to a TensorFlow.js graph model."""
    from yolo_edge.verbs.convert import convert as verb
    from yolo_edge.verbs.tables import conversion_table

    result = verb(
        source,
        output,
        imgsz=imgsz,
        aspect=aspect,
        quantize=quantize,
        calibration=calibration,
        samples=samples,
        seed=seed,
        max_bytes=max_bytes,
        bits=bits,
        plan=plan,
        sensitivity=sensitivity,
        engine=engine,
        onnx=onnx,
        end2end=end2end,
        name=name,
        trust=trust,
        force=force,
    )
    print_result(result.to_json() if as_json else conversion_table(result))


@app.command(rich_help_panel=MAKE)
def quantize(
    source: Annotated[str, typer.Argument(help="An .onnx or .pt file, or a catalogue name (yolo11n-pose).")],
    output: Annotated[str, typer.Option("--output", "-o", help="Directory to make.")],
    scheme: Annotated[str, typer.Option("--quantize", help="int8, int4 or rd.")] = "int8",
    calibration: CalibrationOption = None,
    samples: SamplesOption = 160,
    seed: SeedOption = 0,
    max_bytes: MaxBytesOption = None,
    bits: BitsOption = None,
    plan: PlanOption = None,
    sensitivity: SensitivityOption = False,
    imgsz: ImageSizeOption = None,
    aspect: AspectOption = None,
    name: NameOption = None,
    trust: TrustOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Quantize pose weights, and write them as a TensorFlow.js graph model."""
    from yolo_edge.verbs.quantize import quantize as verb
    from yolo_edge.verbs.tables import conversion_table

    result = verb(
        source,
        output,
        quantize=scheme,
        calibration=calibration,
        samples=samples,
        seed=seed,
        max_bytes=max_bytes,
        bits=bits,
        plan=plan,
        sensitivity=sensitivity,
        imgsz=imgsz,
        aspect=aspect,
        name=name,
        trust=trust,
        force=force,
    )
    print_result(result.to_json() if as_json else conversion_table(result))


@app.command(rich_help_panel=PROVE)
def predict(
    model: Annotated[str, typer.Argument(help="A converted directory, an .onnx, a .pt or a catalogue name.")],
    images: Annotated[list[Path], typer.Argument(help="Photos.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Picture to draw (one photo), or directory (several).")
    ] = None,
    runtime: Annotated[
        str, typer.Option(help="auto, torch, onnx, node, browser:wasm, browser:webgl, browser:webgpu, browser:cpu.")
    ] = "auto",
    confidence: Annotated[float, typer.Option(help="Lowest score of a person, 0-1.")] = 0.25,
    iou: Annotated[float, typer.Option(help="Overlap above which the weaker of two boxes is dropped, 0-1.")] = 0.7,
    browser: Annotated[Path | None, typer.Option(help="Path of the Chromium to use.")] = None,
    trust: TrustOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find the persons on photos and draw their skeletons."""
    from yolo_edge.verbs.predict import predict as verb
    from yolo_edge.verbs.tables import prediction_table

    result = verb(
        model,
        images,
        runtime=runtime,
        output=output,
        confidence=confidence,
        iou=iou,
        browser=browser,
        trust=trust,
        force=force,
    )
    print_result(result.to_json() if as_json else prediction_table(result))


@app.command(rich_help_panel=MAKE)
def inspect(
    source: Annotated[str, typer.Argument(help="A .pt, an .onnx, a converted directory or a catalogue name.")],
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a model is, without loading torch or running anything in it."""
    from yolo_edge.verbs.inspect import inspect as verb
    from yolo_edge.verbs.inspect import render

    result = verb(source, trust=trust)
    print_result(result.to_json() if as_json else render(result))


@app.command(rich_help_panel=PROVE)
def validate(
    models: Annotated[list[str], typer.Argument(help="Converted directories, or folders of such.")],
    benchmark: Annotated[
        str | None,
        typer.Option(help="Photos: builtin, a folder, COCO json, pose data yaml, video, or the name of a fetched set."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Directory to make: report.html and report.json.")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(help="The float model: a catalogue name, a .pt or an .onnx. What MODELS were made from."),
    ] = None,
    reference_runtime: Annotated[str, typer.Option(help="onnx or torch: what runs the float model.")] = "onnx",
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            help="Give it several times: the first runs all photos. node and each browser backend by default."
        ),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="A yaml with a gate section, in place of the default bounds.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The most photos to take.")] = None,
    frames_per_second: Annotated[float | None, typer.Option(help="Frames to take of a second of video.")] = None,
    layout: Annotated[str, typer.Option(help="A foreign model's coordinates: auto, pixels or normalised.")] = "auto",
    timing: Annotated[bool, typer.Option(help="Take times beside a float32 graph model.")] = True,
    browser: Annotated[Path | None, typer.Option(help="Path of the Chromium to use.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Node processes side by side; one a core by default.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of photos, and of the intervals.")] = 0,
    trust: TrustOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Judge converted models on photos, against the float model and against labels."""
    from yolo_edge.verbs.tables import validation_table
    from yolo_edge.verbs.validate import validate as verb

    result = verb(
        models,
        benchmark=benchmark,
        output=output,
        reference=reference,
        reference_runtime=reference_runtime,
        runtime=runtime,
        recipe=recipe,
        limit=limit,
        frames_per_second=frames_per_second,
        layout=layout,
        timing=timing,
        browser=browser,
        workers=workers,
        seed=seed,
        trust=trust,
        force=force,
    )
    print_result(result.to_json() if as_json else validation_table(result))
    result.raise_if_failed()


@app.command(rich_help_panel=PROVE)
def verify(
    source: Annotated[
        str, typer.Argument(help="A converted directory, or the address of one, of a channel or of a commit record.")
    ],
    runtime: Annotated[
        list[str] | None, typer.Option(help="node (default), browser:wasm, browser:webgl, browser:webgpu, or none.")
    ] = None,
    browser: Annotated[Path | None, typer.Option(help="Path of the Chromium to use.")] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="PEM of the key that channel and record must be signed with.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a model: its files, who published them, and that it computes what it should."""
    from yolo_edge.verbs.store_tables import checked_table
    from yolo_edge.verbs.verify import verify as verb

    result = verb(source, runtime=runtime or "node", browser=browser, public_key=public_key)
    print_result(result.to_json() if as_json else checked_table(result))
    result.raise_if_failed()


@app.command(rich_help_panel=MAKE)
def models(as_json: JsonOption = False) -> None:
    """List the weights of the catalogue, and which of them are cached."""
    from yolo_edge.verbs.models import models as verb
    from yolo_edge.verbs.tables import models_table

    result = verb()
    print_result([listing.to_json() for listing in result] if as_json else models_table(result))


add_store_commands(app)
for command, panel in ((frontier, WEIGH), (sizes, WEIGH), (bench, WEIGH), (release, PUBLISH), (doctor, KEEP)):
    app.command(rich_help_panel=panel)(command)


def _fail(error: YoloEdgeError) -> int:
    """Print an error in one block on stderr and return its exit code."""
    print(f"error: {error.what}", file=sys.stderr)
    if error.fix:
        print(f"  fix: {error.fix}", file=sys.stderr)
    return error.exit_code


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code. Never raises, never prints a traceback."""
    if threading.current_thread() is threading.main_thread():  # the only one that may set handlers
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        result = app(args=arguments, standalone_mode=False)
    except YoloEdgeError as error:
        return _fail(error)
    except typer.exceptions.TyperException as error:
        return _fail(UsageError(error.format_message(), fix="See yolo-edge --help, or yolo-edge COMMAND --help."))
    except Exception as error:
        if os.environ.get(_DEBUG_VARIABLE):
            raise
        return _fail(
            YoloEdgeError(
                f"Unexpected {type(error).__name__}: {error}",
                fix=f"This is a bug in yolo-edge. Run again with {_DEBUG_VARIABLE}=1 and report what it prints.",
            )
        )
    if result == INTERRUPTED_EXIT_CODE:
        # CPython notes that an interrupt left an exec() of text, as dataclasses are made by, and then ends itself by
        # SIGINT in place of our exit code (Python/pythonrun.c, run_eval_code_obj). The next exec() takes that back.
        exec("")
        print("error: interrupted, nothing half-made was left", file=sys.stderr)
    return result if isinstance(result, int) else 0


def main() -> None:
    """Run the command line and exit."""
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)
    sys.exit(run())
