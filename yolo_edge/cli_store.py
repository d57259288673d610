"""The commands that work on a store: publish, and what comes after."""

from __future__ import annotations

import re
import threading
import webbrowser
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from yolo_edge.cli_panels import KEEP, PROVE, PUBLISH
from yolo_edge.console import print_result
from yolo_edge.errors import UsageError
from yolo_edge.options import (
    EndpointOption,
    ExpectOption,
    ExpiresOption,
    JsonOption,
    SignOption,
    StoreOption,
    UrlOption,
)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

ModelArgument = Annotated[str, typer.Argument(help="Name of the model.")]
VersionArgument = Annotated[str, typer.Argument(help="A published version.")]
ChannelOption = Annotated[str, typer.Option(help="Name of the channel, such as stable or latest.")]


def publish(
    directory: Annotated[Path, typer.Argument(help="A converted directory, or a folder of several: the variants.")],
    store: StoreOption,
    name: Annotated[str, typer.Option(help="Name of the model: lowercase letters, digits and dashes.")],
    version: Annotated[str, typer.Option(help="A semantic version that was never used.")],
    channel: Annotated[str | None, typer.Option(help="Let this channel point to the version then.")] = None,
    expect: ExpectOption = None,
    endpoint_url: EndpointOption = None,
    url: UrlOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, and write nothing.")] = False,
    require_gate: Annotated[
        Path | None, typer.Option(help="A report.json of validate: of these very bytes, and not failed.")
    ] = None,
    precompress: Annotated[
        bool | None, typer.Option(help="Store shards as Brotli. So it is by default in S3 stores.")
    ] = None,
    precompress_json: Annotated[
        bool, typer.Option("--precompress-json", help="Store .json and .js files as Brotli too.")
    ] = False,
    sign: SignOption = None,
    expires: ExpiresOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put converted models into a store, as a version that never changes."""
    from yolo_edge.verbs.publish import publish as verb
    from yolo_edge.verbs.store_tables import publication_table

    result = verb(
        directory,
        store=store,
        name=name,
        version=version,
        channel=channel,
        expect=expect,
        endpoint_url=endpoint_url,
        url=url,
        dry_run=dry_run,
        require_gate=require_gate,
        precompress=precompress,
        precompress_json=precompress_json,
        sign=sign,
        expires=duration(expires),
    )
    print_result(result.to_json() if as_json else publication_table(result))


def promote(
    name: ModelArgument,
    version: VersionArgument,
    store: StoreOption,
    channel: ChannelOption,
    expect: ExpectOption = None,
    endpoint_url: EndpointOption = None,
    sign: SignOption = None,
    expires: ExpiresOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the readers of a channel get a version."""
    from yolo_edge.verbs.channel import promote as verb
    from yolo_edge.verbs.store_tables import change_table

    result = verb(
        name,
        version,
        channel=channel,
        store=store,
        expect=expect,
        endpoint_url=endpoint_url,
        sign=sign,
        expires=duration(expires),
    )
    print_result(result.to_json() if as_json else change_table(result))


def rollback(
    name: ModelArgument,
    store: StoreOption,
    channel: ChannelOption,
    to: Annotated[str | None, typer.Option(help="A version that the channel was at; by default the last.")] = None,
    expect: ExpectOption = None,
    endpoint_url: EndpointOption = None,
    sign: SignOption = None,
    expires: ExpiresOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the readers of a channel get what they had before."""
    from yolo_edge.verbs.channel import rollback as verb
    from yolo_edge.verbs.store_tables import change_table

    result = verb(
        name,
        channel=channel,
        store=store,
        to=to,
        expect=expect,
        endpoint_url=endpoint_url,
        sign=sign,
        expires=duration(expires),
    )
    print_result(result.to_json() if as_json else change_table(result))


def canary(
    name: ModelArgument,
    version: VersionArgument,
    store: StoreOption,
    channel: ChannelOption,
    percent: Annotated[float, typer.Option(help="Of the readers, to two decimal places; 0 ends the canary.")],
    expect: ExpectOption = None,
    endpoint_url: EndpointOption = None,
    sign: SignOption = None,
    expires: ExpiresOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a part of the readers of a channel get another version."""
    from yolo_edge.verbs.channel import canary as verb
    from yolo_edge.verbs.store_tables import change_table

    result = verb(
        name,
        version,
        channel=channel,
        percent=percent,
        store=store,
        expect=expect,
        endpoint_url=endpoint_url,
        sign=sign,
        expires=duration(expires),
    )
    print_result(result.to_json() if as_json else change_table(result))


def channels(
    name: ModelArgument, store: StoreOption, endpoint_url: EndpointOption = None, as_json: JsonOption = False
) -> None:
    """List the channels of a model."""
    from yolo_edge.verbs.releases import channels as verb
    from yolo_edge.verbs.store_tables import channels_table

    result = verb(name, store=store, endpoint_url=endpoint_url)
    print_result([listing.to_json() for listing in result] if as_json else channels_table(result))


def history(
    name: ModelArgument,
    store: StoreOption,
    channel: Annotated[str | None, typer.Option(help="One channel; all by default.")] = None,
    endpoint_url: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what the channels of a model were at, the newest first."""
    from yolo_edge.verbs.releases import history as verb
    from yolo_edge.verbs.store_tables import history_table

    result = verb(name, store=store, channel=channel, endpoint_url=endpoint_url)
    print_result([entry.to_json() for entry in result] if as_json else history_table(result))


def releases(
    store: StoreOption,
    name: Annotated[str | None, typer.Argument(help="Name of one model; all by default.")] = None,
    endpoint_url: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the published versions."""
    from yolo_edge.verbs.releases import releases as verb
    from yolo_edge.verbs.store_tables import releases_table

    result = verb(name, store=store, endpoint_url=endpoint_url)
    print_result([listing.to_json() for listing in result] if as_json else releases_table(result))


def collect(
    store: StoreOption,
    name: Annotated[str | None, typer.Option(help="One model; all by default.")] = None,
    grace: Annotated[str, typer.Option(help="How long uncommitted and retired files are left alone.")] = "7d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and delete nothing.")] = False,
    endpoint_url: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete the files of releases that were never finished, and of retired ones."""
    from yolo_edge.verbs.collect import collect as verb
    from yolo_edge.verbs.store_tables import collection_table

    result = verb(store=store, name=name, grace=_duration(grace), dry_run=dry_run, endpoint_url=endpoint_url)
    print_result(result.to_json() if as_json else collection_table(result))


def retire(
    name: ModelArgument,
    version: VersionArgument,
    store: StoreOption,
    endpoint_url: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Withdraw a version: it cannot be promoted any more, and collect takes its files."""
    from yolo_edge.verbs.collect import retire as verb
    from yolo_edge.verbs.store_tables import retirement_line

    result = verb(name, version, store=store, endpoint_url=endpoint_url)
    print_result(result.to_json() if as_json else retirement_line(result))


def demo(
    directory: Annotated[
        Path | None, typer.Argument(help="A converted directory or a folder of several; yolo11n-pose by default.")
    ] = None,
    store: Annotated[str | None, typer.Option(help="Show what is published there instead; with --name.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model in the store.")] = None,
    channel: Annotated[str, typer.Option(help="Its channel.")] = "latest",
    endpoint_url: EndpointOption = None,
    port: Annotated[int, typer.Option(help="On 127.0.0.1; 0 takes a free one.")] = 0,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Serve a page on this machine that finds poses in the camera, a photo or a video, until Ctrl-C."""
    from yolo_edge.verbs.demo import demo as verb

    with (
        verb(directory, store=store, name=name, channel=channel, endpoint_url=endpoint_url, port=port) as running,
        suppress(KeyboardInterrupt),  # from here on it is the end that was told
    ):
        print_result(running.to_json() if as_json else f"The page is at {running.address} (Ctrl-C ends it)")
        if open_browser:
            webbrowser.open(running.address)
        threading.Event().wait()


def add_store_commands(app: typer.Typer) -> None:
    """Give an app the commands of this module."""
    for panel, commands in {
        PUBLISH: (publish, promote, rollback, canary),
        KEEP: (channels, history, releases, collect, retire),
        PROVE: (demo,),
    }.items():
        for command in commands:
            app.command(rich_help_panel=panel)(command)


def duration(text: str | None) -> timedelta | None:
    """Read a duration; None stays None.

    Raises:
        UsageError: it is not a number with ``s``, ``m``, ``h`` or ``d``.
    """
    return None if text is None else _duration(text)


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if not found or int(found[1]) == 0:
        raise UsageError(f"{text!r} is no duration.", fix="Give a number with s, m, h or d: 12h, 30d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
