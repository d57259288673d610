"""The command that runs a whole recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yolo_edge.console import print_result
from yolo_edge.options import EndpointOption, JsonOption, SignOption, UrlOption


def release(
    recipe: Annotated[Path, typer.Argument(help="A yaml file, such as configs/yolo-lite.yaml.")],
    store: Annotated[
        str | None, typer.Option(envvar="YOLO_EDGE_STORE", help="Where to publish, in place of the recipe's.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="A semantic version, in place of the recipe's.")] = None,
    channel: Annotated[str | None, typer.Option(help="What points to it then, in place of the recipe's.")] = None,
    work: Annotated[
        Path | None, typer.Option(help="Where stages keep what they made; in the cache by default.")
    ] = None,
    sign: SignOption = None,
    endpoint_url: EndpointOption = None,
    url: UrlOption = None,
    again: Annotated[
        list[str] | None, typer.Option(help="A stage to run though nothing changed. Give it several times.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and make nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make, judge and publish all that a recipe names. What is there already is reused."""
    from yolo_edge.verbs.release import release as verb
    from yolo_edge.verbs.store_tables import release_table

    result = verb(
        recipe,
        store=store,
        version=version,
        channel=channel,
        work=work,
        sign=sign,
        endpoint_url=endpoint_url,
        url=url,
        again=tuple(again or ()),
        dry_run=dry_run,
    )
    print_result(result.to_json() if as_json else release_table(result))
