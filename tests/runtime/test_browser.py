import http.server
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

import numpy as np
import pytest

from tests.runtime import tiny
from yolo_edge.errors import MissingComponentError, ModelError, UsageError
from yolo_edge.runtime.base import open_runtime
from yolo_edge.runtime.browser import BrowserRuntime, browser_flags, find_browser
from yolo_edge.runtime.loopback import LoopbackServer, served_files
from yolo_edge.runtime.packages import tfjs_packages

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("backend", ["cpu", "wasm", "webgl", "webgpu"])
def test_output_is_that_of_the_formula(graph_model, backend):
    with open_runtime(f"browser:{backend}", graph_model) as runtime:
        for images in (tiny.photo(), 1 - tiny.photo()):
            output = runtime.run(images)
            assert output.dtype == np.float32 and output.shape == tiny.OUTPUT_SHAPE
            assert np.abs(output - tiny.expected(images)).max() < 2e-6
        assert runtime.facts["backend"] == backend and runtime.facts["adapter"]
        assert runtime.timings.first_run > 0 and len(runtime.timings.runs) == 2


def test_a_missing_shard_is_named(graph_model):
    (graph_model / "shard2of2.bin").unlink()
    with pytest.raises(ModelError, match=r"lacks shard2of2\.bin"):
        open_runtime("browser", graph_model)


def test_a_backend_that_is_not_there_is_named(graph_model):
    with pytest.raises(MissingComponentError, match="'webnn' is not available here"):
        BrowserRuntime(graph_model, backend="webnn")


def test_a_slow_answer_and_a_crash_are_reported(graph_model):
    slow = open_runtime("browser", graph_model, run_seconds=0.001)
    with slow as runtime, pytest.raises(ModelError, match=r"within 0\.001 seconds"):
        runtime.run(tiny.photo())
    with open_runtime("browser", graph_model) as runtime:
        runtime._page.context.browser.close()
        with pytest.raises(ModelError, match="browser ended while it was to run the model"):
            runtime.run(tiny.photo())


def test_the_page_and_the_browser_ask_no_other_server(graph_model):
    asked = []

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        def log_message(self, *words):
            pass

    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    try:
        with opened_page(graph_model) as page:
            refused = "url => fetch(url).then(() => false, () => true)"
            assert page.evaluate(refused, f"http://127.0.0.1:{other.server_port}/"), "another port"
            with pytest.raises(playwright_error(), match="ERR_NAME_NOT_RESOLVED"):
                page.goto("http://yolo-edge.example/")
    finally:
        other.shutdown()
        other.server_close()
    assert asked == []


def playwright_error():
    from playwright.sync_api import Error

    return Error


@contextmanager
def opened_page(directory):
    """The runtime's own page, in a browser with the runtime's own flags, before any model."""
    from playwright.sync_api import sync_playwright

    server = LoopbackServer({"model": directory}, served_files(tfjs_packages()))
    try:
        with sync_playwright() as playwright:
            flags = browser_flags(software_rendering=True)
            browser = playwright.chromium.launch(executable_path=find_browser(), args=flags)
            page = browser.new_page()
            page.goto(server.page_url)
            yield page
            browser.close()
    finally:
        server.close()


def test_the_server_shows_the_model_and_nothing_else(graph_model):
    (graph_model.parent / "secret.txt").write_text("secret")
    server = LoopbackServer({"model": graph_model}, served_files(tfjs_packages()))
    base = server.page_url.removesuffix("page.html")
    try:
        assert urllib.request.urlopen(base + "model/model.json").read() == (graph_model / "model.json").read_bytes()
        for path in ("model/../secret.txt", "model/%2e%2e/secret.txt", "model//etc/passwd", "worker.mjs", "model/"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(base + path)
        root = base.rsplit("/", 2)[0]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(root + "/model/model.json")
    finally:
        server.close()


def test_a_wrong_browser_path_is_named(graph_model, monkeypatch, tmp_path):
    with pytest.raises(UsageError, match=r"--browser names .*nowhere"):
        open_runtime("browser", graph_model, browser_path=tmp_path / "nowhere")
    monkeypatch.setenv("YOLO_EDGE_BROWSER", "/nowhere/chromium")
    with pytest.raises(UsageError, match="YOLO_EDGE_BROWSER names /nowhere/chromium"):
        open_runtime("browser", graph_model)


def test_a_program_that_is_no_browser_is_reported(graph_model):
    with pytest.raises(MissingComponentError, match="could not be started"):
        open_runtime("browser", graph_model, browser_path="/bin/false")


def test_without_a_browser_the_message_tells_how_to_get_one(graph_model, monkeypatch, tmp_path):
    tfjs_packages()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(MissingComponentError, match=r"apt-get install chromium.*playwright install chromium"):
        open_runtime("browser", graph_model)
