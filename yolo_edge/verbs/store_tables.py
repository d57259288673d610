"""How the results of the verbs that work on a store look on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from yolo_edge.console import counted
from yolo_edge.publication.checks.subject import Need
from yolo_edge.verbs.tables import grid, megabytes, plain_table, verification_table

if TYPE_CHECKING:
    from yolo_edge.publication.collection import Garbage
    from yolo_edge.verbs.channel import ChannelChange
    from yolo_edge.verbs.collect import Collection, Retirement
    from yolo_edge.verbs.doctor import Diagnosis
    from yolo_edge.verbs.publish import Publication
    from yolo_edge.verbs.release import ReleaseRun
    from yolo_edge.verbs.releases import ChannelListing, HistoryEntry, ReleaseListing
    from yolo_edge.verbs.verification import ReleaseVerification, Verification

_SERVERS = {Need.SERVICE: "--store s3://bucket/prefix", Need.URL: "--url https://site"}
"""What the doctor is to be given, where a check needs more than a folder."""


def publication_table(result: Publication) -> Group:
    """Show what was published, and where it can be loaded."""
    record = result.record
    facts = grid()
    facts.add_row("release", f"{record.name} {record.version}: {_state(result)}")
    facts.add_row("store", result.store)
    facts.add_row("record", result.record_key)
    facts.add_row("identity", record.release)
    facts.add_row("signed by", record.signature.key_id if record.signature else "nobody")
    facts.add_row("gate", f"passed, {record.gate.report}" if record.gate else "none was asked for")
    facts.add_row(*_upload(result))
    if result.flip:
        state = result.flip.channel
        verb = "would be" if result.planned and result.flip.changed else "is"
        facts.add_row("channel", f"{state.channel} {verb} at {state.version}, seq {state.seq}")
    variants = plain_table("variant", "input", "raw", "on the wire", right=(2, 3))
    for name, variant in record.variants.items():
        height, width = variant.image_size
        sizes = (megabytes(variant.raw_bytes), megabytes(variant.wire_bytes))
        variants.add_row(name, f"{height}x{width}", *sizes)
    parts: list[Table | Text | str] = [facts, "", variants, "", *_addresses(result)]
    if result.received:
        received = plain_table("file", "received", "encoding", "type", right=(1,))
        for entry in result.received:
            sent = entry.delivery
            received.add_row(
                entry.path, f"{sent.wire_bytes:,}", sent.content_encoding or "none", sent.content_type or ""
            )
        parts += ["", received]
    return Group(*parts, *(f"note: {note}." for note in result.notes))


def _state(result: Publication) -> str:
    if result.planned is None:
        return result.state
    return f"{result.state}, {'published already' if result.planned.published else 'not published yet'}"


def _upload(result: Publication) -> tuple[str, str]:
    """Say what was uploaded, or would be."""
    files = counted(len(result.record.files), "files")
    if result.planned is not None:
        return "would upload", f"{result.planned.files} of {files}, {megabytes(result.planned.bytes)}"
    return "uploaded", f"{result.files_written} of {files}, {megabytes(result.bytes_written)}"


def _addresses(result: Publication) -> list[Text | str]:
    """Show what pages load, a line each that is never cut, so that it can be copied."""
    keys = {"channel file": result.channel_key, "loader": result.loader_key}
    keys |= {f"model {name}": result.model_key(name) for name in result.record.variants}
    lines = [
        Text(f"{what}: {result.address(key)}", no_wrap=True, overflow="ignore") for what, key in keys.items() if key
    ]
    where = ", below the address that the store is served at:" if result.url is None else ":"
    return [f"what pages load{where}", *lines]


def change_table(result: ChannelChange) -> Group:
    """Show what a channel is at now."""
    channel, previous = result.channel, result.previous
    facts = grid()
    facts.add_row("channel", f"{channel.channel} of {channel.name} in {result.store}")
    facts.add_row("version", f"{channel.version} (seq {channel.seq})")
    if previous and result.changed:
        facts.add_row("before", f"{previous.version} (seq {previous.seq})")
    if channel.canary:
        facts.add_row("canary", f"{channel.canary.version} for {channel.canary.percent:g} % of the readers")
    facts.add_row("changed", f"{channel.updated}, by {channel.action}" if result.changed else "no, it was so already")
    facts.add_row("expires", channel.expires or "never")
    facts.add_row("signed by", channel.signature.key_id if channel.signature else "nobody")
    return Group(facts)


def channels_table(result: tuple[ChannelListing, ...]) -> Table:
    """Show channels side by side."""
    table = plain_table("channel", "version", "canary", "seq", "changed", "by", "expires", "signed by", right=(3,))
    for listing in result:
        channel = listing.channel
        canary = f"{channel.canary.version} ({channel.canary.percent:g} %)" if channel.canary else ""
        key = channel.signature.key_id if channel.signature else "nobody"
        state = (channel.version, canary, str(channel.seq), channel.updated, channel.action)
        table.add_row(channel.channel, *state, channel.expires or "never", key)
    return table


def history_table(result: tuple[HistoryEntry, ...]) -> Table:
    """Show the states of channels, the newest first."""
    table = plain_table("channel", "seq", "changed", "by", "version", "canary", "", right=(1,))
    for entry in result:
        state = (entry.channel, str(entry.seq), entry.updated, entry.action, entry.version, entry.canary or "")
        table.add_row(*state, "now" if entry.current else "")
    return table


def releases_table(result: tuple[ReleaseListing, ...]) -> Table:
    """Show versions, one line each."""
    table = plain_table("model", "version", "published", "channels", "variants (on the wire)", "gate", "state")
    for listing in result:
        release, record = listing.release, listing.release.record
        variants = ", ".join(f"{name} {megabytes(each.wire_bytes)}" for name, each in record.variants.items())
        gate = "passed" if record.gate else "none"
        state = f"retired {release.retired:%F}" if release.retired else ""
        table.add_row(
            record.name,
            record.version,
            f"{release.published:%F %R}",
            ", ".join(release.channels),
            variants,
            gate,
            state,
        )
    return table


def collection_table(result: Collection) -> Group:
    """Show what went, or would go."""
    waiting = [_waiting_line(entry) for entry in result.waiting]
    done = "deleted" if result.deleted else "would be deleted"
    if not result.garbage:
        return Group(f"Nothing {'was deleted' if result.deleted else done} in {result.store}", *waiting)
    table = plain_table("what", "why", "objects", "bytes", "newest", right=(2, 3))
    for entry in result.garbage:
        size = (str(len(entry.keys)), megabytes(entry.bytes), f"{entry.modified:%F %R}")
        table.add_row(entry.prefix, entry.reason, *size)
    return Group(table, "", f"{megabytes(result.bytes)} {done} in {result.store}", *waiting)


def _waiting_line(entry: Garbage) -> str:
    files = counted(len(entry.keys), "files")
    return f"{entry.name} {entry.version}: {entry.reason}, its {files} can go on {entry.due:%F %R} UTC"


def retirement_line(result: Retirement) -> str:
    """Say what became of a version."""
    done = "is retired" if result.changed else "was retired before"
    return f"{result.name} {result.version} {done} in {result.store}; collect takes its files after the grace"


def checked_table(result: Verification | ReleaseVerification) -> Group:
    """Show what was checked, of a directory or of a release."""
    from yolo_edge.verbs.verification import Verification

    return verification_table(result) if isinstance(result, Verification) else _release_table(result)


def _release_table(result: ReleaseVerification) -> Group:
    """Show what was checked of a channel or version: who vouches for it, then each variant."""
    facts = grid()
    facts.add_row("source", result.source)
    if result.channel:
        channel = result.channel
        facts.add_row("channel", f"{channel.channel}, seq {channel.seq}, expires {channel.expires or 'never'}")
    facts.add_row("signed by", result.key_id or "not checked")
    parts: list[Group | Table | str] = [facts]
    for release in result.releases:
        canary = " (canary)" if release.canary else ""
        parts += ["", f"{release.record.name} {release.record.version}{canary}, {release.address}"]
        for variant in release.variants.values():
            parts += ["", verification_table(variant)]
    return Group(*parts, *(f"note: {note}." for note in result.notes))


def diagnosis_table(result: Diagnosis) -> Group:
    """Show what every check found that could be made here, what would make the others, then what to do."""
    facts = grid()
    facts.add_row("store", result.store)
    facts.add_row("site", result.url or "not looked at")
    elsewhere = {option: result.left_out(need) for need, option in _SERVERS.items()}
    checks = plain_table("check", "", "found")
    advice = grid()
    for check in result.checks:
        if not any(check in left_out for left_out in elsewhere.values()):
            checks.add_row(check.name, check.status.upper() if check.status == "failed" else check.status, check.found)
        if check.advice:
            advice.add_row(check.name, check.advice)
    parts: list[Table | str] = [facts, "", checks]
    counts = {option: len(left_out) for option, left_out in elsewhere.items() if left_out}
    if counts:
        makes = ", ".join(f"{count} with {option}" for option, count in counts.items())
        parts += ["", f"{sum(counts.values())} more checks need a server: the doctor makes {makes}"]
    return Group(*parts, *(("", "what to do", advice) if advice.row_count else ()))


def release_table(result: ReleaseRun) -> Group:
    """Show what became of each stage, then what was published."""
    stages = plain_table("stage", "what", "seconds", right=(2,))
    for stage in result.stages:
        stages.add_row(stage.name, stage.state, f"{stage.seconds:.1f}" if stage.state == "made" else "")
    parts: list[Group | Table | str] = [stages, ""]
    parts += [f"report {size}: {path / 'report.html'}" for size, path in result.reports.items()]
    if result.publication is not None:
        parts += ["", publication_table(result.publication)]
    return Group(*parts)
