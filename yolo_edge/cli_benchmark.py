"""The commands of ``yolo-edge benchmark``: sets of photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yolo_edge.console import print_result
from yolo_edge.options import JsonOption

benchmark_app = typer.Typer(help="Sets of photos to judge a model on.", rich_markup_mode=None)


@benchmark_app.command("list")
def list_benchmarks(as_json: JsonOption = False) -> None:
    """List the sets of photos that are known by name, and which of them are fetched."""
    from yolo_edge.verbs.benchmark import list_benchmarks as verb
    from yolo_edge.verbs.tables import benchmarks_table

    result = verb()
    print_result([listing.to_json() for listing in result] if as_json else benchmarks_table(result))


@benchmark_app.command("fetch")
def fetch_benchmark(
    name: Annotated[str, typer.Argument(help="A name that benchmark list shows, or the yaml of a description.")],
    limit: Annotated[int | None, typer.Option(help="The most photos to fetch; all by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of photos.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Directory for the set; the cache by default.")
    ] = None,
    source_url: Annotated[str | None, typer.Option(help="Address of a mirror, with the same paths below it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a set of photos and its labels. What is there is kept: after an interruption the same command goes on."""
    from yolo_edge.verbs.benchmark import fetch_benchmark as verb
    from yolo_edge.verbs.tables import fetched_table

    result = verb(name, limit=limit, seed=seed, output=output, source_url=source_url)
    print_result(result.to_json() if as_json else fetched_table(result))
