"""What ``verify`` finds: files that are those of a manifest, answers that are those of the golden vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yolo_edge.bundle.golden import Difference, Golden, read_golden, worst_differences
from yolo_edge.bundle.manifest import Manifest, verify_directory
from yolo_edge.bundle.remote import Delivery
from yolo_edge.console import progress
from yolo_edge.errors import GateError, ModelError
from yolo_edge.files import MANIFEST_FILE
from yolo_edge.publication.channel import Channel
from yolo_edge.publication.record import CommitRecord
from yolo_edge.runtime.base import RUNTIMES, open_runtime
from yolo_edge.tfjs.manifest import MODEL_FILE, read_model_json

NO_VECTORS = "holds no golden vectors, so nothing was computed: convert the weights again to get them"


@dataclass(frozen=True)
class VerifiedFile:
    """A file whose size and sha256 are those of the manifest.

    Attributes:
        name: in the directory.
        bytes: its size.
        sha256: hex digest; None for the manifest itself.
        delivery: how a server sent it; None for a directory on disk.
    """

    name: str
    bytes: int
    sha256: str | None
    delivery: Delivery | None


@dataclass(frozen=True)
class RuntimeCheck:
    """How far a runtime's answers are from the golden vectors.

    Attributes:
        runtime: a name of :data:`yolo_edge.runtime.base.RUNTIMES`.
        differences: one entry a quantity.
    """

    runtime: str
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Tell whether every quantity is within its tolerance."""
        return all(difference.passed for difference in self.differences)


@dataclass(frozen=True)
class Verification:
    """What ``verify`` found. Files that are not the manifest's raise, so these are.

    Attributes:
        source: the directory or address, as it was given.
        manifest: its ``manifest.json``.
        files: the files that were checked, ``manifest.json`` first.
        runtimes: one entry a runtime that ran.
        notes: what else there is to say, in sentences without a full stop.
    """

    source: str
    manifest: Manifest
    files: tuple[VerifiedFile, ...]
    runtimes: tuple[RuntimeCheck, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Tell whether every runtime that ran computed what it should."""
        return all(check.passed for check in self.runtimes)

    def raise_if_failed(self) -> None:
        """Raise what did not pass.

        Raises:
            GateError: an answer is further from the golden vectors than their tolerance.
        """
        failed = [check for check in self.runtimes if not check.passed]
        if not failed:
            return
        worst = [
            f"{check.runtime}: {difference.quantity} {difference.worst:.3g} apart, {difference.tolerance:g} allowed"
            for check in failed
            for difference in check.differences
            if not difference.passed
        ]
        raise GateError(
            f"{self.source} does not compute what its golden vectors say ({'; '.join(worst)}).",
            fix="Convert the weights again. If one runtime alone fails, it computes wrongly: report it.",
        )

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values; a difference that is no number is null."""
        return {
            "source": self.source,
            "passed": self.passed,
            "name": self.manifest.name,
            "scheme": self.manifest.scheme,
            "files": [asdict(file) for file in self.files],
            "runtimes": [
                {
                    "runtime": check.runtime,
                    "passed": check.passed,
                    "differences": [_difference_to_json(difference) for difference in check.differences],
                }
                for check in self.runtimes
            ],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class VerifiedRelease:
    """A published version whose record and files are those that were published.

    Attributes:
        address: of the commit record.
        record: what it says.
        canary: whether the channel gives it to a part of its readers alone.
        variants: variant → what was found of it.
    """

    address: str
    record: CommitRecord
    canary: bool
    variants: Mapping[str, Verification]

    def to_json(self) -> dict[str, Any]:
        """Return the release as JSON-ready values."""
        return {
            "address": self.address,
            "name": self.record.name,
            "version": self.record.version,
            "release": self.record.release,
            "canary": self.canary,
            "signed_by": self.record.signature.key_id if self.record.signature else None,
            "variants": {name: variant.to_json() for name, variant in self.variants.items()},
        }


@dataclass(frozen=True)
class ReleaseVerification:
    """What ``verify`` found of a channel or a published version.

    Attributes:
        source: the address, as it was given.
        channel: the channel file; None where a version was asked for.
        releases: the version, and the channel's canary where it has one.
        key_id: of the key that all signatures were checked with; None if none was given.
        notes: what else there is to say, in sentences without a full stop.
    """

    source: str
    channel: Channel | None
    releases: tuple[VerifiedRelease, ...]
    key_id: str | None
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Tell whether every runtime that ran computed what it should."""
        return all(variant.passed for release in self.releases for variant in release.variants.values())

    def raise_if_failed(self) -> None:
        """Raise what did not pass.

        Raises:
            GateError: an answer is further from the golden vectors than their tolerance.
        """
        for release in self.releases:
            for variant in release.variants.values():
                variant.raise_if_failed()

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        channel = self.channel
        return {
            "source": self.source,
            "passed": self.passed,
            "channel": channel and {"channel": channel.channel, "seq": channel.seq, "expires": channel.expires},
            "signatures_checked_with": self.key_id,
            "releases": [release.to_json() for release in self.releases],
            "notes": list(self.notes),
        }


def check_directory(
    directory: Path,
    source: str,
    *,
    runtimes: Sequence[str],
    browser: str | Path | None = None,
    deliveries: Mapping[str, Delivery] | None = None,
) -> Verification:
    """Check a directory on disk.

    Args:
        directory: a converted directory.
        source: what to call it.
        runtimes: names of what runs the golden vectors.
        browser: the Chromium that the ``browser`` runtimes start; None looks for one.
        deliveries: how a server sent the files.

    Raises:
        ModelError: a file is missing or is not the manifest's, or a runtime cannot run the model.
        MissingComponentError: the runtime needs something that is not installed.
    """
    manifest = verify_directory(directory)
    _check_loaded_files(directory, manifest)
    golden = read_golden(directory, manifest)
    files = _verified_files(directory, manifest, deliveries or {})
    if golden is None:
        return Verification(source, manifest, files, (), (f"The directory {NO_VECTORS}",))
    checks = tuple(_check_runtime(name, directory, manifest, golden, browser) for name in runtimes)
    return Verification(source, manifest, files, checks)


def _check_loaded_files(directory: Path, manifest: Manifest) -> None:
    """Check that all that TF.js will load is among the files of the manifest."""
    groups = read_model_json(directory).get("weightsManifest", ()) if MODEL_FILE in manifest.files else ()
    try:
        loaded = [MODEL_FILE, *(path for group in groups for path in group["paths"])]
    except (KeyError, TypeError) as error:
        raise ModelError(f"{directory / MODEL_FILE} is damaged.", fix="Convert the weights again.") from error
    missing = [name for name in loaded if name not in manifest.files]
    if missing:
        raise ModelError(
            f"{directory / MANIFEST_FILE} does not list {missing[0]}, which browsers load.",
            fix="Convert the weights again.",
        )


def _verified_files(
    directory: Path, manifest: Manifest, deliveries: Mapping[str, Delivery]
) -> tuple[VerifiedFile, ...]:
    own = VerifiedFile(MANIFEST_FILE, (directory / MANIFEST_FILE).stat().st_size, None, deliveries.get(MANIFEST_FILE))
    listed = (
        VerifiedFile(name, record.bytes, record.sha256, deliveries.get(name)) for name, record in manifest.files.items()
    )
    return (own, *listed)


def _check_runtime(
    name: str, directory: Path, manifest: Manifest, golden: Golden, browser: str | Path | None
) -> RuntimeCheck:
    options: dict[str, Any] = {}
    if browser is not None and "browser_path" in RUNTIMES[name].options:
        options["browser_path"] = Path(browser)
    size = manifest.model.image_size
    outputs = []
    with (
        progress(f"Comparing with golden vectors, {name}", len(golden.vectors), "vectors") as advance,
        open_runtime(name, directory, **options) as engine,
    ):
        for vector in golden.vectors:
            outputs.append(engine.run(vector.card.images(size)))
            advance(1)
    return RuntimeCheck(name, worst_differences(golden, outputs, manifest.contract.output))


def _difference_to_json(difference: Difference) -> dict[str, Any]:
    from math import isfinite

    worst = difference.worst if isfinite(difference.worst) else None
    return {**asdict(difference), "worst": worst, "passed": difference.passed}
