"""``verify``: are the files of a converted directory those that were made, and do they compute what they should?"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yolo_edge.bundle.golden import Difference, Golden, read_golden, worst_differences
from yolo_edge.bundle.manifest import Manifest, verify_directory
from yolo_edge.bundle.remote import Delivery, fetch_directory, is_address
from yolo_edge.console import progress
from yolo_edge.errors import GateError, InputError, ModelError, UsageError
from yolo_edge.files import MANIFEST_FILE
from yolo_edge.runtime.base import ALIASES, RUNTIMES, open_runtime
from yolo_edge.tfjs.manifest import MODEL_FILE, read_model_json

NO_RUNTIME = "none"
"""Check the files alone."""

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


def verify(
    source: str | Path, *, runtime: str | Sequence[str] = "node", browser: str | Path | None = None
) -> Verification:
    """Check a converted directory, on disk or served: its files against the manifest, its answers against the vectors.

    Args:
        source: a converted directory, or the https address of one; its ``model.json`` or ``manifest.json`` will do.
            Plain http is taken from this machine alone.
        runtime: what runs the golden vectors: ``node``, ``browser:…``, several of them, or ``none``.
        browser: the Chromium that the ``browser`` runtimes start; None looks for one.

    Returns:
        What was checked. Answers that are too far off do not raise: see :meth:`Verification.raise_if_failed`.

    Raises:
        UsageError: there is no such runtime, or the address is of plain http.
        ModelError: a file is missing or is not the manifest's, or a runtime cannot run the model.
        NetworkError: the server cannot be reached, answers an error or a web page, or breaks off.
        MissingComponentError: the runtime needs something that is not installed.
    """
    names = _runtime_names([runtime] if isinstance(runtime, str) else list(runtime), browser)
    with ExitStack() as stack:
        deliveries: dict[str, Delivery] = {}
        if is_address(str(source)):
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="yolo-edge-verify-")))
            _, deliveries = fetch_directory(str(source), directory)
        else:
            directory = _directory_on_disk(Path(source))
        manifest = verify_directory(directory)
        _check_loaded_files(directory, manifest)
        golden = read_golden(directory, manifest)
        files = _verified_files(directory, manifest, deliveries)
        if golden is None:
            return Verification(str(source), manifest, files, (), (f"The directory {NO_VECTORS}",))
        checks = tuple(_check_runtime(name, directory, manifest, golden, browser) for name in names)
        return Verification(str(source), manifest, files, checks)


def _runtime_names(asked: list[str], browser: str | Path | None) -> list[str]:
    """Resolve the names of runtimes; an empty list stands for none."""
    fitting = [kind.name for kind in RUNTIMES.values() if kind.takes == "directory"]
    names = list(dict.fromkeys(ALIASES.get(name, name) for name in asked))
    for name in names:
        if name not in fitting and name != NO_RUNTIME:
            raise UsageError(
                f"There is no runtime '{name}' for converted directories.",
                fix=f"Choose of: {', '.join([*fitting, NO_RUNTIME])}.",
            )
    if NO_RUNTIME in names and len(names) > 1:
        raise UsageError("The runtime 'none' does not go with others.", fix="Leave it out, or the others.")
    if browser is not None and not any("browser_path" in RUNTIMES[name].options for name in names if name in RUNTIMES):
        raise UsageError("--browser goes with the browser runtimes alone.", fix="Add --runtime browser.")
    return [name for name in names if name != NO_RUNTIME]


def _directory_on_disk(path: Path) -> Path:
    if path.name in (MODEL_FILE, MANIFEST_FILE) and path.is_file():
        return path.parent
    if not path.is_dir():
        raise InputError(f"{path} is no directory.", fix="Give a directory that `convert` made, or its https address.")
    return path


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


def _verified_files(directory: Path, manifest: Manifest, deliveries: dict[str, Delivery]) -> tuple[VerifiedFile, ...]:
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
