"""Converted models, release trees, and a Chromium that visits them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Once
from tests.nets import shipped_photo
from tests.web import tiny
from tests.web.releases import Releases
from tests.web.site import Site, serve


@pytest.fixture(scope="session")
def web_directory(weights: Path, once: Once) -> Path:
    """yolo11n-pose at 192 px, int8, with its ONNX model."""
    import yolo_edge

    def fill(folder: Path) -> None:
        yolo_edge.convert(weights, folder / "int8", imgsz=192, onnx="keep", quantize="int8", calibration="none")

    return once("web", fill) / "int8"


@pytest.fixture(scope="session")
def tiny_models(once: Once) -> dict[str, Path]:
    """``small`` sees a person of score 0.75, ``large`` one of 0.875, ``next`` one of 0.9375."""

    def fill(folder: Path) -> None:
        tiny.convert(folder, "small", 0.75, noisy=30)
        tiny.convert(folder, "large", 0.875)
        tiny.convert(folder, "next", 0.9375)

    folder = once("tiny-web", fill)
    return {name: folder / name for name in ("small", "large", "next")}


@contextmanager
def chromium(*flags: str) -> Iterator[Any]:
    """A Chromium as the browser runtime starts it."""
    from playwright.sync_api import sync_playwright

    from yolo_edge.runtime.browser import find_browser, launch_chromium

    with sync_playwright() as playwright:
        browser = launch_chromium(playwright, find_browser(), software_rendering=True, flags=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@dataclass
class Visit:
    """A page of the site with the public module in ``lab``, see ``lab.mjs``."""

    page: Any
    site: Site
    backend: str = "wasm"

    def reload(self) -> None:
        self.page.goto(f"{self.site.url}lab/page.html")
        self.page.wait_for_function("() => window.lab")
        self.run("backend => { lab.backend = backend; }", self.backend)

    def load(self, path: str, **options: Any) -> dict[str, Any]:
        """``lab.load``; None stands for undefined."""
        answer: dict[str, Any] = self.page.evaluate(
            "([url, options]) => lab.load(url, options)", [f"{self.site.url}store/{path}", options]
        )
        return answer

    def scores(self) -> list[float]:
        """Scores of the persons in a picture that no model looks at."""
        return self.run("async () => (await lab.pose.detect(new ImageData(64, 64))).map(({score}) => score)")

    def run(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)


@pytest.fixture
def releases(tmp_path: Path, tiny_models: dict[str, Path]) -> Releases:
    """Version 1.0.0 with the variants small and large, on the stable channel."""
    store = Releases(tmp_path / "store")
    store.root.mkdir()
    store.publish("1.0.0", {name: tiny_models[name] for name in ("small", "large")})
    store.promote("1.0.0")
    return store


@pytest.fixture(scope="session")
def packages() -> Path:
    from yolo_edge.runtime.packages import tfjs_packages

    return tfjs_packages()


@pytest.fixture
def site(releases: Releases, packages: Path) -> Iterator[Site]:
    media = shipped_photo("bus.jpg").parent
    with serve({"store": releases.root, "media": media}, packages) as running:
        yield running


BOTH_BACKENDS = pytest.mark.parametrize("backend", ["wasm", "webgl"])


@pytest.fixture
def backend() -> str:
    """The backend of loads that name none; tests that matter on both are marked with ``BOTH_BACKENDS``."""
    return "wasm"


@pytest.fixture
def new_visit(browser: Any, site: Site, backend: str) -> Iterator[Callable[[], Visit]]:
    """Opens visits of one visitor: they share caches and localStorage."""
    context = browser.new_context()

    def make() -> Visit:
        visit = Visit(context.new_page(), site, backend)
        visit.reload()
        return visit

    yield make
    context.close()


@pytest.fixture
def visit(new_visit: Callable[[], Visit]) -> Visit:
    return new_visit()
