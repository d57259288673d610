"""TensorFlow.js in Chromium, driven by Playwright.

The page (``js/page.html``) loads the model with plain ``tf.loadGraphModel(url)`` from a loopback server, as any web
page would, so what runs here runs for users. Chromium is kept from every host but 127.0.0.1.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.errors import MissingComponentError, ModelError, UsageError, first_line
from yolo_edge.runtime.base import BaseRuntime, Stopwatch, check_bundle, raise_engine_error
from yolo_edge.runtime.loopback import LoopbackServer, served_files
from yolo_edge.runtime.packages import tfjs_packages

BROWSER_VARIABLE = "YOLO_EDGE_BROWSER"
"""Environment variable with the path of a Chromium or Chrome."""

START_SECONDS = 60.0
"""Longest wait for the browser and the page."""

OPEN_SECONDS = 300.0
"""Longest wait for a loaded and warmed-up model: software WebGPU compiles for minutes."""

RUN_SECONDS = 300.0
"""Longest wait for one output."""

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_POLL_MILLISECONDS = 5
_BROWSER_FIX = (
    "Install one (apt-get install chromium, or: playwright install chromium), or name one with --browser PATH or "
    f"${BROWSER_VARIABLE}."
)

_QUIET_FLAGS = (
    # No request leaves the machine: names do not resolve, proxies are not asked, and background services are off.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--disable-dev-shm-usage",  # containers give /dev/shm too little room for a large page
)
_GPU_FLAGS = (
    "--ignore-gpu-blocklist",
    "--enable-unsafe-webgpu",  # Linux keeps WebGPU behind this flag
    "--enable-features=Vulkan",
)
_SOFTWARE_FLAGS = (
    # SwiftShader computes WebGL and WebGPU on the CPU: the right numbers, at no real speed.
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--use-webgpu-adapter=swiftshader",
)


def has_gpu() -> bool:
    """Tell whether Chromium may find a GPU: on Linux by its device nodes; other desktops are taken to have one."""
    if not sys.platform.startswith("linux"):
        return True
    return any(Path("/dev/dri").glob("renderD*")) or Path("/dev/nvidia0").exists()


def browser_flags(*, software_rendering: bool) -> list[str]:
    """Return Chromium's command-line flags."""
    return [*_QUIET_FLAGS, *_GPU_FLAGS, *(_SOFTWARE_FLAGS if software_rendering else ())]


def find_browser(browser_path: Path | None = None) -> Path | None:
    """Find Chromium: ``browser_path``, else ``$YOLO_EDGE_BROWSER``, else one on the PATH.

    Returns:
        Its path, or None where only a browser that Playwright installed itself remains to be tried.

    Raises:
        UsageError: ``browser_path`` or the variable names no program.
    """
    asked = browser_path or os.environ.get(BROWSER_VARIABLE)
    if asked:
        program = shutil.which(asked)
        if program is None:
            origin = "--browser" if browser_path else f"${BROWSER_VARIABLE}"
            raise UsageError(f"{origin} names {asked}, which is not a program.", fix="Give the path of a Chromium.")
        return Path(program)
    return next((Path(path) for name in _PROGRAMS if (path := shutil.which(name))), None)


def refuse_event_loop() -> None:
    """Refuse to go on inside asyncio, where Playwright cannot be used as it is here.

    Raises:
        UsageError: an event loop runs in this thread, as in a notebook.
    """
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError("Playwright does not start inside asyncio.", fix="Call it in a thread of its own, or a script.")


def launch_chromium(
    playwright: Any, program: Path | None, *, software_rendering: bool, flags: Sequence[str] = (), **options: Any
) -> Any:
    """Start Chromium as the browser runtimes do: headless, and kept from the network.

    Args:
        playwright: of ``playwright.sync_api.sync_playwright``.
        program: what :func:`find_browser` found.
        software_rendering: compute WebGL and WebGPU on the CPU.
        flags: more flags of the command line.
        options: more of ``BrowserType.launch``.

    Returns:
        Playwright's browser.
    """
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return playwright.chromium.launch(
        executable_path=program,
        headless=True,
        args=[*browser_flags(software_rendering=software_rendering), *flags],
        chromium_sandbox=not is_root,  # Chromium has no sandbox for root and refuses to start with one
        **options,
    )


def open_chromium(stack: ExitStack, program: Path | None, *, software_rendering: bool) -> Any:
    """Start Playwright and Chromium.

    Args:
        stack: gets what ends them.
        program: what :func:`find_browser` found.
        software_rendering: compute WebGL and WebGPU on the CPU.

    Returns:
        Playwright's browser.

    Raises:
        UsageError: this is called within asyncio.
        MissingComponentError: Playwright or a browser is not installed, or the browser does not start.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise MissingComponentError(
            "Playwright is not installed, which the browser runtimes need.",
            fix="Run: pip install 'yolo-edge[browser]'",
        ) from error
    try:
        playwright = stack.enter_context(sync_playwright())
    except Error as error:
        raise UsageError(f"Playwright does not start: {first_line(error)}", fix="Call it outside asyncio.") from error
    if program is None and not Path(playwright.chromium.executable_path).exists():
        raise MissingComponentError("No Chromium or Chrome was found.", fix=_BROWSER_FIX)
    scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="yolo-edge-", ignore_cleanup_errors=True))
    with _start_explained(str(program or "Chromium")):
        browser = launch_chromium(
            playwright,
            program,
            software_rendering=software_rendering,
            timeout=START_SECONDS * 1000,
            env={**os.environ, "TMPDIR": scratch},  # what a killed Chromium leaves there goes with us
        )
    stack.callback(_close_browser, browser)
    return browser


def open_page(browser: Any, url: str) -> Any:
    """Open a page, in a context of its own, and wait until its session ``yoloEdge`` is there.

    Returns:
        Playwright's page.

    Raises:
        MissingComponentError: the browser does not open it.
    """
    with _start_explained("A page of Chromium"):
        page = browser.new_context().new_page()
        page.goto(url, timeout=START_SECONDS * 1000)
        page.wait_for_function("() => globalThis.yoloEdge", timeout=START_SECONDS * 1000)
    return page


def close_page(page: Any) -> None:
    """Close a page and its context, also while it computes, and if it has ended already."""
    from playwright.sync_api import Error

    with suppress(Error):
        page.context.close()


@contextmanager
def _start_explained(what: str) -> Iterator[None]:
    from playwright.sync_api import Error

    try:
        yield
    except Error as error:
        raise MissingComponentError(f"{what} could not be started: {first_line(error)}", fix=_BROWSER_FIX) from error


def ask_page(
    page: Any,
    server: LoopbackServer,
    source: Path,
    method: str,
    argument: Any,
    *,
    action: str,
    place: str,
    seconds: float,
) -> dict[str, Any]:
    """Start a job of the page's session and wait for its answer.

    ``page.evaluate`` knows no time limit; the waiting does, and it notices a crash of the page.

    Args:
        page: what :func:`open_page` opened.
        server: what the page is served by.
        source: directory of the model.
        method: of the session.
        argument: its argument.
        action: what it does, for messages, as ``load the model``.
        place: which model in which runtime, for messages.
        seconds: longest wait.

    Raises:
        MissingComponentError: the backend is not available.
        ModelError: the answer did not come, a file of the model is missing, or the model cannot be loaded or run.
    """
    from playwright.sync_api import Error, TimeoutError

    try:
        page.evaluate(f"argument => yoloEdge.{method}(argument)", argument)
        page.wait_for_function("() => yoloEdge.answer", timeout=seconds * 1000, polling=_POLL_MILLISECONDS)
        answer: dict[str, Any] = page.evaluate("() => yoloEdge.answer")
    except TimeoutError as error:
        raise ModelError(
            f"The browser did not {action} {place} within {seconds:g} seconds.",
            fix="Try a smaller image size, or another runtime; without a GPU, webgl and webgpu are slow.",
        ) from error
    except Error as error:
        raise ModelError(
            f"The browser ended while it was to {action} {place}: {first_line(error)}",
            fix="It may be out of memory: try a smaller image size, or another runtime.",
        ) from error
    server.refuse_missing(source)
    raise_engine_error(answer, f"The page could not {action} {place}")
    return answer


class BrowserRuntime(BaseRuntime):
    """Runs a converted directory in headless Chromium.

    Args:
        source: the directory with ``model.json``.
        backend: ``wasm``, ``webgl``, ``webgpu`` or ``cpu``.
        browser_path: Chromium or Chrome; None looks for one, see :func:`find_browser`.
        run_seconds: longest wait for one output.
        software_rendering: compute WebGL and WebGPU on the CPU (SwiftShader); None does so where there is no GPU.

    Attributes:
        facts: what the page said when it was ready: ``backend``, ``inputShape``, ``adapter`` (what computes: the GPU's
            name), ``versions``.

    Raises:
        UsageError: ``browser_path`` is no program.
        MissingComponentError: Playwright or a browser is not installed, or the backend is not available in it.
        NetworkError: TensorFlow.js is not in the cache and npm cannot fetch it.
        ModelError: the directory's files do not fit their manifest, or TF.js refuses the model.
    """

    def __init__(
        self,
        source: Path,
        *,
        backend: str = "wasm",
        browser_path: Path | None = None,
        run_seconds: float = RUN_SECONDS,
        software_rendering: bool | None = None,
    ) -> None:
        super().__init__(f"browser:{backend}", source)
        check_bundle(source)
        program = find_browser(browser_path)
        packages = tfjs_packages()
        self._run_seconds = run_seconds
        software = not has_gpu() if software_rendering is None else software_rendering
        with ExitStack() as stack:
            self._server = LoopbackServer({"model": source}, served_files(packages))
            stack.callback(self._server.close)
            watch = Stopwatch()
            browser = open_chromium(stack, program, software_rendering=software)
            self._page = open_page(browser, self._server.page_url)
            self.facts = self._job("load the model", "open", backend, OPEN_SECONDS)
            self.timings.first_run = self.facts["firstRunSeconds"]
            self.timings.load = watch.seconds - (self.timings.first_run or 0.0)
            self._resources = stack.pop_all()

    def _input_shape(self) -> tuple[int | None, ...] | None:
        shape = self.facts["inputShape"]
        return tuple(shape) if shape else None

    def _compute(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        self._server.input = images.astype("<f4", copy=False).tobytes()
        answer = self._job("run the model", "run", list(images.shape), self._run_seconds)
        output = np.frombuffer(self._server.output, dtype="<f4").astype(np.float32)
        return output.reshape(answer["shape"]), answer["seconds"]

    def _job(self, action: str, method: str, argument: Any, seconds: float) -> dict[str, Any]:
        place = f"{self.source} in {self.name}"
        return ask_page(
            self._page, self._server, self.source, method, argument, action=action, place=place, seconds=seconds
        )

    def close(self) -> None:
        """Close the browser, Playwright and the server."""
        self._resources.close()


def _close_browser(browser: Any) -> None:
    """Close the browser, if it has not ended already."""
    from playwright.sync_api import Error

    try:
        browser.close()
    except Error:
        return


def open_model(source: Path, **options: Any) -> BrowserRuntime:
    """Open ``source``; see :class:`BrowserRuntime`."""
    return BrowserRuntime(source, **options)
