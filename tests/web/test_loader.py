"""``loadPose`` in Chromium: what it fetches, keeps, refuses, and how it says so."""

from __future__ import annotations

import json

import pytest

from tests.web import site as behaviour
from tests.web.conftest import BOTH_BACKENDS
from tests.web.releases import canonical

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHANNEL = "models/yolo-lite/channels/stable.json"


def code(answer):
    return answer["error"]["code"] if "error" in answer else None


@BOTH_BACKENDS
def test_a_channel_leads_to_persons_and_progress_is_told_in_bytes(visit, site, backend):
    answer = visit.load(CHANNEL)
    chosen = answer["capabilities"]
    assert (chosen["tier"], chosen["backend"], chosen["variant"]) == ("edge", backend, "large")
    assert (chosen["name"], chosen["version"], chosen["channel"], chosen["canary"]) == (
        "yolo-lite",
        "1.0.0",
        "stable",
        False,
    )
    assert answer["names"][0] == "nose" and [15, 13] in answer["skeleton"]
    assert visit.scores() == [0.875]
    steps = answer["progress"]
    assert [step["stage"] for step in steps if step["stage"] != "download"] == ["documents", "start", "ready"]
    sizes = [step["bytes"] for step in steps]
    sent = sum(size for path, size in site.requests if "/large/" in path)
    assert sizes == sorted(sizes) and steps[-1]["bytes"] == steps[-1]["total"] == sent
    assert not [path for path, _ in site.requests if "/small/" in path]


def test_persons_are_in_source_pixels_with_named_keypoints(visit):
    visit.load(CHANNEL)
    [person] = visit.run("() => lab.pose.detect(new ImageData(128, 128))")
    assert person["box"] == {"x": 32, "y": 16, "width": 64, "height": 96}
    assert person["keypoints"][0] == {"x": 32, "y": 16, "score": 1, "name": "nose"}
    assert person["keypoints"][16] == {"x": 96, "y": 112, "score": 1, "name": "right_ankle"}


@BOTH_BACKENDS
def test_the_second_visit_fetches_the_channel_alone(new_visit, site):
    new_visit().load(CHANNEL)
    site.requests.clear()
    second = new_visit()
    assert second.load(CHANNEL)["capabilities"]["cache"] == "cache"
    assert [path for path, _ in site.requests if path.startswith("/store/")] == [f"/store/{CHANNEL}"]
    assert second.scores() == [0.875]


@BOTH_BACKENDS
def test_the_second_visit_works_offline(new_visit, site):
    new_visit().load(CHANNEL)
    site.rules[".json"] = site.rules[".bin"] = behaviour.down
    second = new_visit()
    answer = second.load(CHANNEL)
    assert "cannot be reached" in " ".join(answer["capabilities"]["reasons"])
    assert second.scores() == [0.875]


def test_a_slow_channel_is_not_waited_for(new_visit, site):
    new_visit().load(CHANNEL)
    site.rules["stable.json"] = lambda answer: setattr(answer, "seconds", 9)
    answer = new_visit().load(CHANNEL)
    assert code(answer) is None and answer["milliseconds"] < 6000


def test_indexeddb_stands_in_for_the_cache_api(new_visit, site):
    first = new_visit()
    first.page.context.add_init_script("Object.defineProperty(window, 'caches', {value: undefined})")
    first.reload()
    assert first.load(CHANNEL)["capabilities"]["cache"] == "indexeddb"
    site.rules[".json"] = site.rules[".bin"] = behaviour.down
    second = new_visit()
    assert code(second.load(CHANNEL)) is None and second.scores() == [0.875]


def test_without_a_cache_everything_is_fetched_again(new_visit, site):
    for _ in range(2):
        site.requests.clear()
        assert new_visit().load(CHANNEL, cache=False)["capabilities"]["cache"] == "none"
        assert site.sent(".bin") > 0


def test_a_stored_file_that_was_changed_is_fetched_again(new_visit, site):
    first = new_visit()
    first.load(CHANNEL)
    first.run("""async () => {
      for (const name of await caches.keys()) {
        const cache = await caches.open(name);
        for (const request of await cache.keys()) {
          if (request.url.endsWith('.bin')) await cache.put(request, new Response(new Uint8Array(9)));
        }
      }
    }""")
    site.requests.clear()
    second = new_visit()
    assert code(second.load(CHANNEL)) is None and second.scores() == [0.875]
    assert [path for path, _ in site.requests if path.endswith(".bin")] != []


@BOTH_BACKENDS
def test_a_promoted_version_is_taken_by_the_next_load_and_evicts_the_old_one(visit, site, releases, tiny_models):
    visit.load(CHANNEL)
    releases.publish("1.1.0", {"large": tiny_models["next"]})
    releases.promote("1.1.0")
    assert visit.scores() == [0.875], "the session that runs keeps its release"
    assert visit.load(CHANNEL)["capabilities"]["version"] == "1.1.0"
    assert visit.scores() == [0.9375]
    kept = visit.run("""async () => {
      const urls = [];
      for (const name of await caches.keys()) {
        for (const {url} of await (await caches.open(name)).keys()) urls.push(url);
      }
      return urls;
    }""")
    assert kept and not [url for url in kept if "/1.0.0/" in url]


def test_a_canary_is_for_its_share_of_the_clients(visit, releases, tiny_models):
    releases.publish("1.1.0", {"large": tiny_models["next"]})
    canary = {**releases.pointer("1.1.0"), "percent": 40, "salt": "ab12"}
    releases.promote("1.0.0", canary=canary)
    versions = {}
    for client in (None, "a", "b", "c", "d", "e"):
        answer = visit.load(CHANNEL, **({} if client is None else {"clientId": client}))["capabilities"]
        assert answer["canary"] == (answer["version"] == "1.1.0")
        versions[client] = answer["version"]
    assert versions[None] == "1.0.0" and set(versions.values()) == {"1.0.0", "1.1.0"}


def test_a_converted_directory_is_loaded_by_its_own_address(visit, releases):
    base = json.loads((releases.folder / "1.0.0" / "manifest.json").read_bytes())["base"]
    for end in ("large/model.json", "large/", "large/manifest.json"):
        assert code(visit.load(f"models/yolo-lite/1.0.0/{base}{end}")) is None, end
        assert visit.scores() == [0.875], end


def test_a_commit_record_is_loaded_and_a_variant_by_name(visit):
    assert visit.load("models/yolo-lite/1.0.0/manifest.json", variant="small")["capabilities"]["variant"] == "small"
    assert visit.scores() == [0.75]


BAD_FILES = {
    "a shard is missing": (".bin", behaviour.missing, "http", "answered 404"),
    "a page for a shard": (".bin", behaviour.page_instead, "html", "is a web page"),
    "a shard breaks off": (".bin", behaviour.broken_off, "truncated", "broke off after"),
    "a shard is too short": (".bin", behaviour.shortened, "truncated", "broke off after"),
    "a shard is tampered with": (".bin", behaviour.tampered, "integrity", "SHA-256 differs"),
    "model.json is tampered with": ("large/model.json", behaviour.tampered, "integrity", "SHA-256 differs"),
    "the record is tampered with": ("1.0.0/manifest.json", behaviour.tampered, "integrity", "SHA-256 differs"),
    "the channel points nowhere": ("1.0.0/manifest.json", behaviour.missing, "channel", "roll it back"),
    "the channel is missing": ("stable.json", behaviour.missing, "http", "answered 404"),
    "a page for the channel": ("stable.json", behaviour.page_instead, "html", "is a web page"),
    "the channel is cut": ("stable.json", behaviour.shortened, "schema", "cannot be read"),
    "another document": ("stable.json", behaviour.replaced(b'{"kind":"cake"}'), "schema", "no document of yolo-edge"),
    "a document that is no object": ("stable.json", behaviour.replaced(b"null"), "schema", "cannot be read"),
    "offline": (".json", behaviour.down, "network", "cannot be reached"),
}


def test_what_is_wrong_with_a_file_is_told_by_code_and_by_file(visit, site):
    for case, (end, rule, wanted, words) in BAD_FILES.items():
        site.rules = {end: rule}
        error = visit.load(CHANNEL, cache=False).get("error", {})
        assert (error.get("code"), error.get("name")) == (wanted, "PoseError"), case
        assert words in error["message"] and site.url in error["message"], case


BAD_CHANNELS = {
    "newer schema": ({"schema_version": 2}, "schema", "newer schema"),
    "expired": ({"expires": "2020-01-01T00:00:00Z"}, "expired", "expired at 2020"),
    "another release": ({"release": "0" * 64}, "channel", "roll it back"),
}


def test_a_channel_that_cannot_be_followed_is_refused(visit, releases):
    for case, (changes, wanted, words) in BAD_CHANNELS.items():
        releases.promote("1.0.0", **changes)
        error = visit.load(CHANNEL)["error"]
        assert error["code"] == wanted and words in error["message"], case


def test_an_older_channel_file_is_refused_and_the_newer_stored_one_used(visit, site, releases, tiny_models):
    old = (releases.root / CHANNEL).read_bytes()
    releases.publish("1.1.0", {"large": tiny_models["next"]})
    releases.promote("1.1.0")
    visit.load(CHANNEL)
    site.rules["stable.json"] = behaviour.replaced(old)
    assert code(visit.load(CHANNEL, cache=False)) == "replayed"
    assert visit.load(CHANNEL)["capabilities"]["version"] == "1.1.0"


def test_an_expired_channel_is_not_used_offline_either(visit, site, releases):
    releases.promote("1.0.0", expires="2030-01-01T00:00:00Z")
    visit.load(CHANNEL)
    site.rules["stable.json"] = behaviour.down
    answer = visit.run("url => lab.load(url, {clock: () => Date.parse('2031-01-01')})", f"{site.url}store/{CHANNEL}")
    assert code(answer) == "expired"


def test_a_manifest_of_a_newer_schema_is_refused(visit, releases, tiny_models):
    import shutil

    directory = releases.root / "copy"
    shutil.copytree(tiny_models["large"], directory)
    manifest = json.loads((directory / "manifest.json").read_text())
    (directory / "manifest.json").write_bytes(canonical({**manifest, "schema_version": 9}))
    assert code(visit.load("copy/model.json")) == "schema"


BAD_OPTIONS = (
    ({"backend": "webnn"}, "options", "auto,webgpu,webgl,wasm,cpu"),
    ({"variant": "tiny"}, "options", "small,large"),
    ({"tf": {}}, "no-tf", "TensorFlow.js is missing"),
    ({"backend": "webgpu"}, "no-backend", "not in this tf"),
)


def test_options_that_cannot_be_met_are_named(visit):
    for options, wanted, words in BAD_OPTIONS:
        error = visit.load(CHANNEL, **options)["error"]
        assert error["code"] == wanted and words in error["message"], options


def test_a_failure_that_passes_is_tried_again(visit, site):
    failures = []

    def once(answer):
        if len(failures) < 2:
            failures.append(1)
            answer.status = 503

    site.rules[".bin"] = once
    assert code(visit.load(CHANNEL)) is None and len(failures) == 2


def test_two_loads_at_once_share_the_download_and_one_may_be_aborted(visit, site):
    site.rules[".bin"] = lambda answer: setattr(answer, "seconds", 0.5)
    outcome = visit.run(
        """async (url) => {
          const quitter = new AbortController();
          const loads = [{signal: quitter.signal}, {}, {}].map((options) => lab.load(url, options));
          setTimeout(() => quitter.abort(), 300);
          return (await Promise.all(loads)).map(({error}) => error?.code ?? null);
        }""",
        f"{site.url}store/{CHANNEL}",
    )
    assert outcome == ["aborted", None, None]
    assert len([path for path, _ in site.requests if path.endswith(".bin")]) == 1


def test_an_aborted_load_ends_at_once_even_with_a_fallback(visit, site):
    site.rules[".bin"] = lambda answer: setattr(answer, "seconds", 2)
    for moment in (0, 300):
        outcome = visit.run(
            """async ([url, moment]) => {
              const quitter = new AbortController();
              if (moment) setTimeout(() => quitter.abort(), moment);
              else quitter.abort();
              const started = performance.now();
              const {error} = await lab.load(url, {signal: quitter.signal, fallback: async () => []});
              return [error.code, performance.now() - started];
            }""",
            [f"{site.url}store/{CHANNEL}", moment],
        )
        assert outcome[0] == "aborted" and outcome[1] < 1500
