"""``release``: from weights to a channel by one recipe, whose stages are made once.

A variant is made when what decides it changes, the report when a variant, the photos or the gate do. What is there
already is reused, so the same command goes on after an interruption.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from yolo_edge.addresses import safe_site_address
from yolo_edge.cache import cache_root
from yolo_edge.checkpoint.source import resolve_source
from yolo_edge.console import say
from yolo_edge.errors import GateError, InputError
from yolo_edge.files import MANIFEST_FILE, sha256_of
from yolo_edge.publication.layout import canonical
from yolo_edge.publication.requirement import REPORT_JSON
from yolo_edge.quantization.scheme import BUILTIN_PHOTOS, NO_PHOTOS, find_scheme
from yolo_edge.recipe import Recipe, VariantRecipe, read_recipe
from yolo_edge.validation.gate import advice
from yolo_edge.verbs.command_line import told_path
from yolo_edge.verbs.convert import convert
from yolo_edge.verbs.publish import Publication, publish
from yolo_edge.verbs.stages import StageRun, State, Workshop
from yolo_edge.verbs.validate import validate

_PUBLISHING = "publish"


@dataclass(frozen=True)
class ReleaseRun:
    """What ``release`` did.

    Attributes:
        recipe: its path.
        stages: what became of each stage, in order.
        reports: size → directory with the validation report.
        publication: what was published, or would be; None in a dry run that has not all variants yet.
    """

    recipe: str
    stages: tuple[StageRun, ...]
    reports: Mapping[str, Path]
    publication: Publication | None

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "recipe": self.recipe,
            "stages": [stage.to_json() for stage in self.stages],
            "reports": {size: str(path) for size, path in self.reports.items()},
            "publication": self.publication and self.publication.to_json(),
        }


def release(
    recipe: str | Path,
    *,
    store: str | None = None,
    version: str | None = None,
    channel: str | None = None,
    work: str | Path | None = None,
    sign: str | Path | None = None,
    endpoint_url: str | None = None,
    url: str | None = None,
    again: tuple[str, ...] = (),
    dry_run: bool = False,
) -> ReleaseRun:
    """Make, judge and publish all that a recipe names.

    Args:
        recipe: a yaml file, see ``docs/releasing.md``.
        store: where to publish; in place of the recipe's.
        version: a semantic version; in place of the recipe's.
        channel: what points to the version then; in place of the recipe's.
        work: where stages keep what they made; by default in the cache.
        sign: a private key, PEM; in place of the recipe's.
        endpoint_url: of an S3 service other than Amazon's.
        url: address that the store is served at; what arrives there is looked at then.
        again: names of stages to run though nothing changed.
        dry_run: say which stages would run, and make and publish nothing.

    Returns:
        What was made and published.

    Raises:
        InputError: the recipe, the weights or the photos cannot be used.
        UsageError: a name, version or address cannot be one, or a stage is named that there is not.
        GateError: a variant failed; nothing is published.
        ConflictError: the version is there with other files, or another release is at work in the same place.
        NetworkError: the store is not reached, or refuses.
    """
    path = Path(recipe)
    if url is not None:
        safe_site_address(url)  # before hours of work, not after them
    plan = _Plan(path, read_recipe(path))
    target = plan.target(store, version, channel, sign)
    shop = Workshop(Path(work) if work else cache_root() / "releases", dry_run=dry_run, forced=again)
    shop.expect([*plan.stage_names(), _PUBLISHING])
    with shop.held():
        variants, reports = _make(plan, shop)
        publication = None
        if variants is not None and reports is not None:
            publication = publish(
                variants,
                store=target.store,
                name=target.name,
                version=target.version,
                channel=target.channel,
                endpoint_url=endpoint_url,
                url=url,
                dry_run=dry_run,
                require_gate=tuple(reports.values()),
                precompress=plan.recipe.precompress,
                sign=target.sign,
            )
        shop.note(_PUBLISHING, _state_of(publication))
    return ReleaseRun(str(recipe), shop.runs, dict(reports or {}), publication)


def _state_of(publication: Publication | None) -> State:
    if publication is None:
        return "to make"
    if publication.planned is not None:
        return "reused" if publication.planned.published else "to make"
    return "made" if publication.state == "published" else "reused"


@dataclass(frozen=True)
class _Target:
    name: str
    store: str
    version: str
    channel: str | None
    sign: str | None


class _Plan:
    """A recipe, and where its paths lead."""

    def __init__(self, path: Path, recipe: Recipe) -> None:
        self.path, self.recipe = path, recipe
        if recipe.source is None or not recipe.variants:
            raise InputError(
                f"{path} names no {'source' if recipe.source is None else 'variants'}.",
                fix="See docs/releasing.md, or configs/yolo-lite.yaml.",
            )
        self.source = resolve_source(recipe.located(recipe.source, path.parent))
        self.photos = recipe.located(recipe.calibration, path.parent)
        self.benchmark = recipe.located(recipe.validation.benchmark, path.parent)

    def target(self, store: str | None, version: str | None, channel: str | None, sign: str | Path | None) -> _Target:
        """Return where to publish: what was given, else what the recipe says."""
        recipe = self.recipe
        given = {"name": recipe.name, "store": store or recipe.store, "version": version or recipe.version}
        for field, value in given.items():
            if value is None:
                option = "" if field == "name" else f", or give --{field}"
                raise InputError(f"{self.path} says no {field}.", fix=f"Add it to the recipe{option}.")
        folder = self.path.parent
        key = str(sign) if sign is not None else recipe.sign and recipe.located(recipe.sign, folder)
        place = store or recipe.located(recipe.store or "", folder)
        return _Target(
            recipe.name or "", place, version or recipe.version or "", channel or recipe.channel, key or None
        )

    def variant_name(self, size: str, variant: VariantRecipe) -> str:
        """Return what a variant is published as: with its size where there are several."""
        return f"{variant.title}-{size}" if len(self.recipe.sizes) > 1 else variant.title

    def stage_names(self) -> list[str]:
        """Return the names of the stages but publishing, in order."""
        names = []
        for size in self.recipe.sizes:
            names += [self.variant_name(size, variant) for variant in self.recipe.variants]
            names.append(f"validate {size}")
        return names

    def command(self, stage: str) -> str:
        """Return the command line that runs a stage again; in capitals what the recipe leaves to the command line."""
        words = ["yolo-edge", "release", told_path(self.path), "--again", stage]
        for option, value in (("--store", self.recipe.store), ("--version", self.recipe.version)):
            words += [] if value else [option, option.removeprefix("--").upper()]
        return shlex.join(words)

    def conversion(self, variant: VariantRecipe) -> dict[str, Any]:
        """Return the options of ``convert`` that a variant takes."""
        options: dict[str, Any] = {"quantize": variant.scheme, "seed": self.recipe.seed}
        if "calibration" in find_scheme(variant.scheme).options:
            options |= {"calibration": self.photos, "samples": self.recipe.samples}
        if variant.max_bytes is not None:
            options["max_bytes"] = variant.max_bytes
        if variant.bits is not None:
            options["bits"] = variant.bits
        return options


def _make(plan: _Plan, shop: Workshop) -> tuple[dict[str, Path] | None, dict[str, Path] | None]:
    """Run the stages; None in place of what a dry run does not have."""
    weights, calibration = sha256_of(plan.source), photos_digest(plan.photos)
    photos = photos_digest(plan.benchmark)
    variants: dict[str, Path] = {}
    reports: dict[str, Path] = {}
    is_whole = True
    for size in plan.recipe.sizes:
        made: dict[str, Path] = {}
        for variant in plan.recipe.variants:
            name, options = plan.variant_name(size, variant), plan.conversion(variant)
            parts = [weights, size, canonical(options | {"name": plan.recipe.name}).decode(), calibration]
            stage = shop.stage(name, "variants", name, parts)
            directory = shop.run(stage, partial(_convert, plan, size, options))
            if directory is not None:
                made[name] = directory
        variants |= made
        if len(made) < len(plan.recipe.variants):
            shop.note(f"validate {size}", "to make")
            is_whole = False
            continue
        report = _report(plan, shop, size, made, photos)
        if report is not None:
            reports[size] = report
        is_whole &= report is not None
    return (variants, reports) if is_whole else (None, None)


def _convert(plan: _Plan, size: str, options: Mapping[str, Any], target: Path) -> None:
    convert(plan.source, target, imgsz=size, name=plan.recipe.name, **options)


def _report(plan: _Plan, shop: Workshop, size: str, variants: Mapping[str, Path], photos: str) -> Path | None:
    """Judge the variants of a size, or find their report; raise where one failed."""
    settings = plan.recipe.validation
    judged = [f"{name} {sha256_of(path / MANIFEST_FILE)}" for name, path in variants.items()]
    bounds = canonical({"validation": settings.model_dump(mode="json"), "gate": dict(plan.recipe.gate)})
    parts = [size, *judged, photos, bounds.decode(), str(plan.recipe.seed)]
    stage = shop.stage(f"validate {size}", "reports", f"{plan.recipe.name}-{size}", parts)

    def make(target: Path) -> None:
        validate(
            variants,
            benchmark=plan.benchmark,
            output=target,
            reference=str(plan.source),
            runtime=settings.runtimes or None,
            recipe=plan.path,
            limit=settings.limit,
            timing=settings.timing,
            seed=plan.recipe.seed,
            command=plan.command(stage.name),
        )

    report = shop.run(stage, make)
    if report is not None:
        _require_passed(report)
    return report


def _require_passed(report: Path) -> None:
    document = json.loads((report / REPORT_JSON).read_text(encoding="utf-8"))
    failed = [
        (entry["name"], check)
        for entry in document["variants"]
        for check in entry["checks"]
        if check["verdict"] == "fail"
    ]
    if failed:
        sentences = " ".join(f"{name}: {check['sentence']}" for name, check in failed)
        raise GateError(
            f"The gate failed; nothing was published. {sentences}",
            fix=f"{advice(check['metric'] for _, check in failed)} {report / 'report.html'} shows more.",
        )


def photos_digest(source: str) -> str:
    """Return what tells one set of photos from another: a sha256 over its files, or the name of a known set.

    Args:
        source: a path, or ``builtin``, ``none`` or the name of a fetched set.
    """
    path = Path(source)
    if source in (BUILTIN_PHOTOS, NO_PHOTOS) or not path.exists():
        return source
    if path.is_file():
        beside = sorted(path.parent.rglob("*")) if path.suffix in (".json", ".yaml", ".yml") else []
        return _digest_of([path, *beside], path.parent)
    say(f"Hashing the photos of {path}")
    return _digest_of(sorted(path.rglob("*")), path)


def _digest_of(paths: list[Path], root: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if path.is_file():
            digest.update(f"{path.relative_to(root).as_posix()} {sha256_of(path)}\n".encode())
    return digest.hexdigest()
