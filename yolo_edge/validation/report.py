"""The report of a validation: ``report.html``, one file that needs nothing besides, and ``report.json``."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_edge.errors import MissingComponentError
from yolo_edge.files import write_listing
from yolo_edge.photos.reading import ReadablePhotos
from yolo_edge.pose.skeleton import COCO_KEYPOINT_NAMES
from yolo_edge.validation import wording
from yolo_edge.validation.charts import Scale, bars, body_dots, body_lines, interval_bar
from yolo_edge.validation.coco import PrecisionLoss
from yolo_edge.validation.comparison import angle_rows, keypoint_rows, motion_rows, summary_rows
from yolo_edge.validation.frontier import FrontierPoint, draw_frontier
from yolo_edge.validation.gate import Check, Verdict
from yolo_edge.validation.overlay import (
    ALIKE,
    REFERENCE_COLOUR,
    VARIANT_COLOUR,
    draw_match,
    worst_matches,
)
from yolo_edge.validation.pck import NEAR
from yolo_edge.validation.redaction import redacted
from yolo_edge.validation.result import SCHEMA_VERSION, Validation, Variant

if TYPE_CHECKING:
    from jinja2 import Environment

HTML_FILE, JSON_FILE = "report.html", "report.json"

_TEMPLATE = "report.html"
_PICTURE_INCHES = 4.4  # wide: 420 px, so that letters can be read on a phone
_LISTED_SKIPPED = 20
_LISTED_REASONS = 3
_LISTED_BARS = 40
_LONGEST_MESSAGE = 400
"""Characters: a runtime may answer with a page of stack; ``report.json`` has it whole."""


@dataclass(frozen=True)
class _WorstPhoto:
    """A picture of the worst photos, and what stands below it."""

    photo: str
    variant: str
    similarity: float
    is_lost: bool
    is_elsewhere: bool
    source: str | None
    size: tuple[int, int]


def require_jinja2() -> None:
    """Check that reports can be written.

    Raises:
        MissingComponentError: jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise MissingComponentError(
            "The report needs jinja2, which is not installed.", fix="pip install 'yolo-edge[validation]'"
        ) from error


def write_report(result: Validation, photos: ReadablePhotos, directory: Path) -> None:
    """Write ``report.html``, ``report.json`` and a ``manifest.json`` that lists both.

    The same result gives the same bytes. Nothing in them tells of the machine's folders, and only the worst photos are
    read again, one at a time.

    Args:
        result: what was found.
        photos: where it was found.
        directory: exists, and holds none of these files.

    Raises:
        MissingComponentError: jinja2 or matplotlib is not installed.
    """
    require_jinja2()
    shown = redacted(result)
    document = json.dumps(shown.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    (directory / JSON_FILE).write_text(document + "\n", encoding="utf-8")
    (directory / HTML_FILE).write_text(_html(shown, photos), encoding="utf-8")
    write_listing(directory, "validation", (HTML_FILE, JSON_FILE), schema_version=SCHEMA_VERSION)


def _html(result: Validation, photos: ReadablePhotos) -> str:
    measured = [variant for variant in result.variants if variant.agreement is not None]
    return (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            result=result,
            measured=measured,
            summary=summary_rows(result),
            reasons=[(variant, _reasons(variant)) for variant in sorted(result.variants, key=_severity)],
            headline=_headline(result),
            frontier=_frontier(measured),
            scale=_scale(measured),
            is_body=result.head.keypoint_names == COCO_KEYPOINT_NAMES,
            angles=angle_rows([variant for variant in measured if variant.angles]),
            with_angles=[variant for variant in measured if variant.angles],
            motions=motion_rows([variant for variant in measured if variant.motions]),
            with_motions=[variant for variant in measured if variant.motions],
            keypoints=keypoint_rows([variant for variant in measured if variant.keypoints]),
            with_keypoints=[variant for variant in measured if variant.keypoints],
            worst=_worst_photos(result, photos),
            skipped=result.skipped[:_LISTED_SKIPPED],
            labelled=sum(label.counts for label in result.benchmark.labels),
        )
    )


def _environment() -> Environment:
    """Templates escape whatever is put into them, and know how figures are written."""
    from jinja2 import DictLoader, Environment, StrictUndefined

    folder = resources.files("yolo_edge.validation") / "templates"
    sources = {entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir() if entry.is_file()}
    environment = Environment(
        loader=DictLoader(sources), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {
        "wording": wording,
        "interval_bar": interval_bar,
        "body_dots": body_dots,
        "body_lines": body_lines(),
        "bars": bars,
        "listed_bars": _LISTED_BARS,
        "sides": _sides,
        "listed_reasons": _LISTED_REASONS,
        "near": NEAR,
        "alike": ALIKE,
        "reference_colour": REFERENCE_COLOUR,
        "variant_colour": VARIANT_COLOUR,
        "adapter": _adapter,
    }
    environment.filters["shortened"] = _shortened
    return environment


def _severity(variant: Variant) -> int:
    return ("fail", "inconclusive", "pass").index(variant.verdict)


def _headline(result: Validation) -> tuple[Variant, Check] | None:
    """The first check that makes the verdict, and whose it is."""
    for variant in result.variants:
        if variant.verdict == result.verdict and (reasons := _reasons(variant)):
            return variant, reasons[0]
    return None


def _reasons(variant: Variant) -> list[Check]:
    """The checks that make a variant's verdict; none where it passes."""
    verdict: Verdict = variant.verdict
    return [] if verdict == "pass" else [check for check in variant.checks if check.verdict == verdict]


def _frontier(variants: Sequence[Variant]) -> str | None:
    """Size against quality as a data URI; None where fewer than two variants have a similarity."""
    points = [
        FrontierPoint(
            name=variant.candidate.name,
            scheme=variant.candidate.scheme,
            max_bytes=None,
            raw_bytes=variant.candidate.raw_bytes,
            wire_bytes=variant.candidate.wire_bytes,
            agreement=variant.agreement,
            loss=_precision_loss(variant),
        )
        for variant in variants
        if variant.agreement is not None and variant.agreement.similarity is not None
    ]
    if len(points) < 2:
        return None
    with tempfile.TemporaryDirectory(prefix="yolo-edge-") as scratch:
        picture = Path(scratch) / "frontier.svg"
        draw_frontier(points, "", [picture], width=_PICTURE_INCHES)
        return _data_uri("image/svg+xml", picture.read_bytes())


def _precision_loss(variant: Variant) -> PrecisionLoss | None:
    if not variant.accuracy:
        return None
    loss = variant.accuracy[0].loss
    return PrecisionLoss(loss.value, loss.low, loss.high)


def _scale(variants: Sequence[Variant]) -> Scale:
    return Scale.of(
        [part.body_p95.value for variant in variants if variant.agreement for part in variant.agreement.keypoints]
    )


def _worst_photos(result: Validation, photos: ReadablePhotos) -> list[_WorstPhoto]:
    by_key = {photo.key: photo for photo in photos.benchmark.photos}
    shown = []
    for worst in worst_matches(result):
        image = photos.read(by_key[worst.photo])
        source, size = None, (0, 0)
        if image is not None:
            picture, size = draw_match(image, worst, result.head)
            source = _data_uri("image/jpeg", picture)
        shown.append(
            _WorstPhoto(
                photo=by_key[worst.photo].name,
                variant=worst.variant,
                similarity=worst.match.similarity,
                is_lost=not worst.match.is_found,
                is_elsewhere=worst.other is None,
                source=source,
                size=size,
            )
        )
    return shown


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _sides(values: Mapping[str, float | None]) -> list[tuple[str, float | None, float | None]]:
    """Turn keypoint → value into rows: part of the body, the person's right side, its left side."""
    rows: list[tuple[str, float | None, float | None]] = []
    for name in COCO_KEYPOINT_NAMES:
        side, _, part = name.partition("_")
        if not part:
            rows.append((name, values.get(name), values.get(name)))
        elif side == "left":
            rows.append((part, values.get(f"right_{part}"), values.get(name)))
    return rows


def _adapter(facts: Mapping[str, Any]) -> str:
    """What computes, in words; empty where the runtime does not say."""
    adapter = facts.get("adapter") or ""
    if isinstance(adapter, Mapping):
        return ", ".join(f"{key} {value}" for key, value in adapter.items() if value)
    return str(adapter)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE].rstrip()} …"
