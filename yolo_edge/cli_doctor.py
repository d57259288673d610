"""The command ``yolo-edge doctor``: a look at a bucket and its CDN."""

from __future__ import annotations

from typing import Annotated

import typer

from yolo_edge.console import print_result
from yolo_edge.options import EndpointOption, JsonOption, StoreOption


def doctor(
    store: StoreOption,
    endpoint_url: EndpointOption = None,
    url: Annotated[
        str | None,
        typer.Option(help="Address below which models/… are served; without it, only the store is checked."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a bucket is safe to publish to, and that browsers get from its CDN what was published."""
    from yolo_edge.verbs.doctor import doctor as verb
    from yolo_edge.verbs.store_tables import diagnosis_table

    result = verb(store, endpoint_url=endpoint_url, url=url)
    print_result(result.to_json() if as_json else diagnosis_table(result))
    result.raise_if_failed()
