"""``verify``: are the files of a model those that were made, and do they compute what they should?"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from yolo_edge.bundle.remote import Delivery, fetch_directory, is_address
from yolo_edge.errors import InputError, UsageError
from yolo_edge.files import MANIFEST_FILE
from yolo_edge.publication.reader import ServedRelease, Trust, fetch_files, find_document, read_served
from yolo_edge.publication.signature import load_public_key
from yolo_edge.runtime.base import RUNTIMES, directory_runtimes
from yolo_edge.tfjs.manifest import MODEL_FILE
from yolo_edge.verbs.verification import ReleaseVerification, Verification, VerifiedRelease, check_directory

NO_RUNTIME = "none"
"""Check the files alone."""


def verify(
    source: str | Path,
    *,
    runtime: str | Sequence[str] = "node",
    browser: str | Path | None = None,
    public_key: str | Path | None = None,
) -> Verification | ReleaseVerification:
    """Check a model, on disk or served: its files against what vouches for them, its answers against golden vectors.

    Args:
        source: a converted directory; or the https address of one, of a channel file, or of a published version's
            commit record. Plain http is taken from this machine alone.
        runtime: what runs the golden vectors: ``node``, ``browser:…``, several of them, or ``none``.
        browser: the Chromium that the ``browser`` runtimes start; None looks for one.
        public_key: PEM file of the key that channel and commit record must be signed with.

    Returns:
        What was checked. Answers that are too far off do not raise: see ``raise_if_failed`` of the result.

    Raises:
        UsageError: there is no such runtime, the address is of plain http, or a key goes with no signed document.
        SignatureError: a document is not signed by the key, expired, is older than one that was seen before, or a file
            is not the one that the record names.
        ModelError: a file is missing or is not the manifest's, or a runtime cannot run the model.
        NetworkError: the server cannot be reached, answers an error or a web page, or breaks off.
        MissingComponentError: the runtime or the signature needs something that is not installed.
    """
    names = _runtime_names([runtime] if isinstance(runtime, str) else list(runtime), browser)
    key = load_public_key(Path(public_key)) if public_key is not None else None
    if is_address(str(source)):
        document = find_document(str(source))
        if document is not None:
            return _verify_release(str(source), document, Trust(key), names, browser)
    if key is not None:
        raise UsageError(
            f"{source} is a converted directory, which nobody signs.",
            fix="Give the address of a channel file or of a version's commit record, or leave out --public-key.",
        )
    if not is_address(str(source)):
        return check_directory(_directory_on_disk(Path(source)), str(source), runtimes=names, browser=browser)
    with tempfile.TemporaryDirectory(prefix="yolo-edge-verify-") as scratch:
        _, deliveries = fetch_directory(str(source), Path(scratch))
        return check_directory(Path(scratch), str(source), runtimes=names, browser=browser, deliveries=deliveries)


def _verify_release(
    source: str, document: str, trust: Trust, names: list[str], browser: str | Path | None
) -> ReleaseVerification:
    served = read_served(document, trust)
    releases = tuple(_verified(release, names, browser) for release in served)
    notes = () if trust.key else ("No signature was checked: give --public-key to know who published this",)
    return ReleaseVerification(source, served[0].channel, releases, trust.key.key_id if trust.key else None, notes)


def _verified(served: ServedRelease, names: list[str], browser: str | Path | None) -> VerifiedRelease:
    with tempfile.TemporaryDirectory(prefix="yolo-edge-verify-") as scratch:
        deliveries = fetch_files(served, Path(scratch))
        variants = {
            variant: check_directory(
                Path(scratch) / variant,
                f"{served.record.name} {served.record.version} {variant}",
                runtimes=names,
                browser=browser,
                deliveries=_below(deliveries, variant),
            )
            for variant in served.record.variants
        }
    return VerifiedRelease(served.address, served.record, served.canary, variants)


def _below(deliveries: Mapping[str, Delivery], variant: str) -> dict[str, Delivery]:
    start = f"{variant}/"
    return {path.removeprefix(start): sent for path, sent in deliveries.items() if path.startswith(start)}


def _runtime_names(asked: list[str], browser: str | Path | None) -> list[str]:
    """Resolve the names of runtimes; an empty list stands for none."""
    names = directory_runtimes(asked, others=[NO_RUNTIME])
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
