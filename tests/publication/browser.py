"""Chromium with TensorFlow.js, as a page of a frontend team has it: plain ``tf.loadGraphModel``, nothing of ours."""

from __future__ import annotations

from typing import Any

from yolo_edge.runtime.browser import find_browser, launch_chromium
from yolo_edge.runtime.loopback import served_files
from yolo_edge.runtime.packages import tfjs_packages

_FOLLOW = """
async (channelUrl) => {
  const follow = async (url) => [await (await fetch(url)).json(), url];
  const [channel] = await follow(channelUrl);
  const recordUrl = new URL(channel.record.path, channelUrl).href;
  const record = await (await fetch(recordUrl, {integrity: channel.record.integrity})).json();
  const base = new URL(record.base, recordUrl).href;
  const integrity = new Map(Object.entries(record.files).map(([path, file]) => [base + path, file.integrity]));
  const fetchFunc = (url, init) => fetch(url, {...init, integrity: integrity.get(url)});
  try {
    await tf.setBackend('cpu');
    const model = await tf.loadGraphModel(base + Object.values(record.variants)[0].model, {fetchFunc});
    return {inputs: model.inputs.map(input => input.shape)};
  } catch (error) {
    return {error: String(error)};
  }
}
"""


def load_in_browser(channel_address: str) -> dict[str, Any]:
    """Follow a channel to its first variant and load that, each file by its hash; what came of it."""
    from playwright.sync_api import sync_playwright

    scripts = served_files(tfjs_packages())
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright, find_browser(), software_rendering=True)
        try:
            page = browser.new_page()
            for name in ("core", "converter", "backend-cpu"):
                page.add_script_tag(path=scripts[f"tfjs/tf-{name}.min.js"])
            found: dict[str, Any] = page.evaluate(_FOLLOW, channel_address)
            return found
        finally:
            browser.close()
