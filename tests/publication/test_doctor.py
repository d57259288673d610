"""The doctor finds nothing wrong with a good bucket and edge, and whatever is wrong with bad ones."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import brotli
import pytest

from tests.publication import forgetful, nginx
from tests.publication.spoiler import Request, Spoil, spoiling
from tests.publication.web import Answer, ask
from yolo_edge.errors import UsageError
from yolo_edge.publication import seaweedfs
from yolo_edge.publication.checks.site import Site, WebAnswer
from yolo_edge.publication.doctor import CheckResult, examine
from yolo_edge.publication.edge import serve_store
from yolo_edge.publication.store import Headers, Store, open_store

INFRA = Path(__file__).parents[2] / "configs" / "infra"
NO_LEAVE = {"access-control-allow-origin": ""}
PAGE = b"<!doctype html><title>app</title>"


def examined(store: Store, url: str | None = None) -> dict[str, CheckResult]:
    return {result.name: result for result in examine(store, url)}


def not_ok(results: dict[str, CheckResult]) -> dict[str, tuple[str, str]]:
    """What is neither fine nor skipped."""
    return {
        name: (result.status, result.found)
        for name, result in results.items()
        if result.status not in ("ok", "skipped")
    }


def skipped(results: dict[str, CheckResult]) -> set[str]:
    return {name for name, result in results.items() if result.status == "skipped"}


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "site"))


@pytest.fixture
def edge(folder: Store) -> Iterator[str]:
    with serve_store(folder) as base:
        yield base


@pytest.fixture
def public_bucket(s3_settings: seaweedfs.Service) -> Iterator[str]:
    """A bucket with the policies that are shipped for Amazon's; its name."""
    client = pytest.importorskip("boto3").client("s3", endpoint_url=s3_settings.endpoints["http"])
    name = "public-models"
    client.create_bucket(Bucket=name)
    policy = (INFRA / "aws" / "bucket-policy.json").read_text(encoding="utf-8").replace("BUCKET", name)
    client.put_bucket_policy(Bucket=name, Policy=policy)
    rules = json.loads((INFRA / "aws" / "cors.json").read_text(encoding="utf-8"))
    client.put_bucket_cors(Bucket=name, CORSConfiguration=rules)
    yield name
    client.delete_bucket(Bucket=name)


def test_good_store_and_edge(store: Store):
    with serve_store(store) as base:
        results = examined(store, base)
    assert not_ok(results) == {}
    only_services = {"clock", "strangers list", "strangers write", "create only", "compare and swap", "checksum"}
    is_folder = store.address.startswith("file:")
    assert skipped(results) == {"https"} | (only_services if is_folder else set())
    assert list(store.list()) == [], "the scratch objects are gone"
    assert all(result.advice is None for result in results.values())


def test_good_store_alone(store: Store):
    results = examined(store)
    assert not_ok(results) == {}
    assert results["public read"].found == "no --url was given"


@pytest.fixture
def run_nginx(
    public_bucket: str, s3_settings: seaweedfs.Service, tmp_path: Path
) -> Callable[..., AbstractContextManager[str]]:
    """Starts nginx before the public bucket, with changes to the shipped configuration."""
    program = nginx.find_nginx()
    if program is None:
        pytest.skip("nginx is not installed (apt-get install nginx)")
    origin = f"{s3_settings.endpoints['http']}/{public_bucket}"
    return lambda **changes: nginx.running(program, origin, tmp_path, **changes)


@pytest.fixture
def public_store(public_bucket: str, s3_settings: seaweedfs.Service) -> Store:
    return open_store(f"s3://{public_bucket}", endpoint_url=s3_settings.endpoints["http"])


def test_shipped_nginx_before_a_bucket_with_the_shipped_policy(
    public_store: Store, run_nginx: Callable[..., AbstractContextManager[str]]
):
    with run_nginx() as url:
        results = examined(public_store, url)
        assert not_ok(results) == {}
        assert skipped(results) == {"https"}
        assert results["cached .json"].found == "MISS → HIT"
        assert ask(f"{url}/models/none.json").body == b"not found\n"
        assert ask(f"{url}/models/").status == ask(f"{url}/").status == 404
        assert ask(f"{url}/models/a.json", "PUT", b"evil").status == 405


def test_shipped_nginx_keeps_as_long_as_the_store_says(
    public_store: Store, run_nginx: Callable[..., AbstractContextManager[str]]
):
    key = "models/channel.json"
    public_store.put_once(key, b"{}", Headers("application/json", "public, max-age=600, s-maxage=1"))
    with run_nginx() as url:
        answers = [ask(f"{url}/{key}?{number}") for number in range(2)]
        deadline = time.monotonic() + 10
        while (again := ask(f"{url}/{key}")).headers["x-cache"] == "HIT" and time.monotonic() < deadline:
            time.sleep(0.2)  # nginx counts whole seconds
    public_store.delete(key)
    assert [answer.headers["x-cache"] for answer in (*answers, again)] == ["MISS", "HIT", "REVALIDATED"]
    assert not [name for name in answers[0].headers if "amz" in name], "what the service says of itself is hidden"


def test_nginx_that_keeps_what_was_said_to_one_origin(
    public_store: Store, run_nginx: Callable[..., AbstractContextManager[str]]
):
    changes = {
        "proxy_pass_request_headers off;": "",
        "proxy_hide_header Access-Control-Allow-Origin;": "",
        'add_header Access-Control-Allow-Origin "*" always;': "",
    }
    with run_nginx(changes=changes) as url:
        told = examined(public_store, url)["other origins"]
    assert told.status == "failed" and "a cached copy forbids" in told.found
    assert told.advice.startswith("Use configs/infra/nginx/edge.conf")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[forgetful.Service]:
    pytest.importorskip("boto3", reason="the extra s3 is not installed")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "TESTKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-nobody-may-print")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with forgetful.running(forgetful.Service()) as running:
        yield running


def diagnosed(stand_in: forgetful.Service) -> dict[str, CheckResult]:
    return examined(open_store("s3://models/site", endpoint_url=stand_in.endpoint))


def test_stand_in_is_fine_as_long_as_it_is_told_nothing(stand_in: forgetful.Service):
    assert not_ok(diagnosed(stand_in)) == {}
    assert not stand_in.objects


ALL = {"If-None-Match", "If-Match", "checksum"}


@pytest.mark.parametrize(
    ("fault", "check", "status", "found", "advice"),
    [
        ({"honours": ALL - {"If-None-Match"}}, "create only", "failed", "200, not 412", "conditional writes"),
        ({"honours": ALL - {"If-Match"}}, "compare and swap", "failed", "stale tag: 200", "conditional writes"),
        ({"honours": ALL - {"checksum"}}, "checksum", "failed", "were taken", "checks SHA-256"),
        ({"encoding": ",aws-chunked"}, "headers", "failed", "'br,aws-chunked', not 'br'", "Update the service"),
        ({"lets_strangers": {"LIST"}}, "strangers list", "failed", "anyone may list", "aws/bucket-policy.json"),
        ({"lets_strangers": {"PUT"}}, "strangers write", "failed", "anyone may write", "aws/bucket-policy.json"),
        ({"lets_strangers": {"DELETE"}}, "strangers write", "failed", "anyone may delete", "aws/bucket-policy.json"),
        ({"refuses": {"GET"}}, "rights", "failed", "refused: s3:GetObject", "aws/publisher-policy.json"),
        ({"refuses": {"LIST"}}, "rights", "failed", "refused: s3:ListBucket", "aws/publisher-policy.json"),
        ({"refuses": {"DELETE"}}, "rights", "warning", "refused: s3:DeleteObject", "Publishing does without"),
        ({"refuses": {"DELETE"}}, "cleaning up", "warning", "scratch objects stay below models/_doctor-", "by hand"),
        ({"skew": 3600.0}, "clock", "failed", r"3(599|600|601) s behind", "Set the clock"),
        ({"skew": -120.0}, "clock", "warning", r"1(19|20|21) s ahead of", "Set the clock"),
    ],
)  # fmt: skip
def test_services_that_do_wrong(
    stand_in: forgetful.Service, fault: dict[str, object], check: str, status: str, found: str, advice: str
):
    for name, value in fault.items():
        setattr(stand_in, name, value)
    result = diagnosed(stand_in)[check]
    assert result.status == status
    assert re.search(found, result.found), result.found
    assert advice in result.advice


def test_key_that_may_not_write_is_told_once(stand_in: forgetful.Service):
    stand_in.refuses = {"PUT"}
    results = diagnosed(stand_in)
    assert not_ok(results).keys() == {"rights"}
    assert "s3:PutObject" in results["rights"].found
    assert results["create only"].found == "nothing could be written"


def test_wrong_secret_is_told_and_not_shown(s3_settings: seaweedfs.Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret-0123456789")
    store = open_store(f"s3://{seaweedfs.BUCKET}/x", endpoint_url=s3_settings.endpoints["http"])
    results = examined(store)
    assert results["rights"].status == "failed" and "AWS_SECRET_ACCESS_KEY" in results["rights"].advice
    assert results["clock"].status == "ok", "the clock is looked at without credentials"
    assert "another-secret" not in repr(results)


def test_bucket_that_anyone_may_list(public_bucket: str, s3_settings: seaweedfs.Service):
    client = pytest.importorskip("boto3").client("s3", endpoint_url=s3_settings.endpoints["http"])
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket"}
    policy = {"Version": "2012-10-17", "Statement": [statement | {"Resource": f"arn:aws:s3:::{public_bucket}"}]}
    client.put_bucket_policy(Bucket=public_bucket, Policy=json.dumps(policy))
    results = examined(open_store(f"s3://{public_bucket}", endpoint_url=s3_settings.endpoints["http"]))
    assert not_ok(results).keys() == {"strangers list"}


def test_scratch_objects_are_removed_when_it_is_interrupted(folder: Store, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Site, "ask", interrupt)
    with pytest.raises(KeyboardInterrupt):
        examine(folder, "http://127.0.0.1:9")
    assert list(folder.list()) == []


def with_headers(**changed: str | None) -> Spoil:
    """Set headers of answers, or take them out."""

    def spoil(request: Request, answer: Answer) -> Answer:
        headers = answer.headers | {name.replace("_", "-"): value for name, value in changed.items()}
        return replace(answer, headers={name: value for name, value in headers.items() if value is not None})

    return spoil


def on_missing(status: int, body: bytes = b"", **headers: str) -> Spoil:
    def spoil(request: Request, answer: Answer) -> Answer:
        return Answer(status, answer.headers | headers, body) if answer.status == 404 else answer

    return spoil


def on_shards(encoding: str | None, pack: Callable[[bytes], bytes]) -> Spoil:
    def spoil(request: Request, answer: Answer) -> Answer:
        if not request.path.endswith(".bin") or answer.headers.get("content-encoding") != "br":
            return answer
        return with_headers(content_encoding=encoding)(request, replace(answer, body=pack(answer.body)))

    return spoil


def origin_alone(request: Request, answer: Answer) -> Answer:
    """As S3 does: who does not say its origin is not told that others may read."""
    headers = {name: value for name, value in answer.headers.items() if name != "access-control-allow-origin"}
    if "origin" in request.headers:
        headers["access-control-allow-origin"] = request.headers["origin"]
    return replace(answer, headers=headers)


def kept(spoil: Spoil) -> Spoil:
    """A cache that keeps the first answer for each path, whatever the next request says."""
    copies: dict[tuple[str, str], Answer] = {}
    return lambda request, answer: copies.setdefault((request.method, request.path), spoil(request, answer))


def unless(method: str) -> Spoil:
    return lambda request, answer: replace(answer, status=403) if request.method == method else answer


def unpacked_json(request: Request, answer: Answer) -> Answer:
    if not request.path.endswith(".json") or answer.headers.get("content-encoding") != "br":
        return answer
    return with_headers(content_encoding=None)(request, replace(answer, body=brotli.decompress(answer.body)))


def repacked(body: bytes) -> bytes:
    return brotli.compress(brotli.decompress(body), quality=1)


@pytest.mark.parametrize(
    ("spoil", "check", "status", "found"),
    [
        (with_headers(access_control_allow_origin=None), "other origins", "failed", "no Access-Control-Allow-Origin"),
        (with_headers(access_control_allow_origin="https://one.example"), "other origins", "failed", "may not read"),
        (origin_alone, "other origins", "warning", "neither that nor Vary: Origin"),
        (kept(origin_alone), "other origins", "failed", "without Origin and after one of another"),
        (on_missing(404, **NO_LEAVE), "other origins, missing", "warning", "network failure"),
        (unless("OPTIONS"), "preflight", "warning", "403"),
        (with_headers(access_control_allow_headers="x-other"), "preflight", "warning", "headers x-other"),
        (on_shards(None, bytes), "shards as br", "failed", "bytes that do not decode, sent as plain"),
        (on_shards(None, brotli.decompress), "shards as br", "failed", "received as plain bytes, 1."),
        (on_shards("gzip", lambda body: gzip.compress(brotli.decompress(body))), "shards as br", "failed", "as gzip"),
        (on_shards("br", repacked), "shards as br", "warning", "packed anew"),
        (unpacked_json, "json compressed", "warning", "not compressed"),
        (on_missing(200, PAGE, **{"content-type": "text/html"}), "missing objects", "failed", "a page of 200, not 404"),
        (on_missing(403), "missing objects", "failed", "403, not 404"),
        (on_missing(404, PAGE, **{"content-type": "text/html"}), "missing objects", "warning", "404 with a page"),
        (kept(lambda request, answer: answer), "missing objects", "warning", "which is kept"),
        (unless("GET"), "public read", "failed", "answered with 403"),
        (unless("HEAD"), "public read", "failed", "HEAD is answered with 403"),
        (lambda request, answer: replace(answer, body=answer.body[:-1]), "public read", "failed", "other bytes"),
        (with_headers(content_type="text/plain"), "content types", "failed", "a .bin comes as 'text/plain'"),
        (with_headers(x_content_type_options=None), "nosniff", "warning", "not set"),
        (with_headers(cache_control="max-age=14400"), "cache-control", "failed", "a channel says 'max-age=14400'"),
        (with_headers(x_cache="Miss", age="0"), "cached .bin", "failed", "Miss → Miss"),
        (with_headers(x_cache=None, age=None), "cached .json", "warning", "no header tells"),
    ],
)  # fmt: skip
def test_edges_that_do_wrong(folder: Store, edge: str, spoil: Spoil, check: str, status: str, found: str):
    with spoiling(edge, spoil) as url:
        result = examined(folder, url)[check]
    assert (result.status, found in result.found) == (status, True), result
    assert all(name in result.advice for name in ("Cloudflare: ", "CloudFront: ", "nginx: ")), "the edge is not known"
    assert list(folder.list()) == []


@pytest.mark.parametrize(
    ("header", "advice"),
    [
        ({"cf_ray": "8a", "cf_cache_status": "DYNAMIC"}, "Apply configs/infra/cloudflare/cache-rule.json"),
        (
            {"x_amz_cf_id": "a==", "x_cache": "Miss from cloudfront"},
            "Attach configs/infra/cloudfront/cache-policy",
        ),
    ],
)
def test_advice_is_for_the_edge_that_answered(folder: Store, edge: str, header: dict[str, str], advice: str):
    with spoiling(edge, with_headers(age="0", **header)) as url:
        result = examined(folder, url)["cached .json"]
    assert result.status == "failed" and result.advice.startswith(advice)


def test_every_file_that_advice_names_is_there(folder: Store):
    sources = "".join(path.read_text(encoding="utf-8") for path in Path("yolo_edge/publication/checks").glob("*.py"))
    root = INFRA.parents[1]
    named = set(re.findall(r"configs/infra/[a-z0-9/-]+\.[a-z]+", sources))
    assert len(named) > 5 and all((root / name).is_file() for name in named)


def test_site_that_is_not_there_is_told_once(folder: Store):
    results = examined(folder, "http://127.0.0.1:9")
    assert not_ok(results).keys() == {"public read"} and "could not be reached" in results["public read"].found
    assert results["cached .bin"].found == "the site was not reached"


def test_service_that_is_not_there_is_told_once(stand_in: forgetful.Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    results = examined(open_store("s3://models/site", endpoint_url="http://127.0.0.1:9"))
    assert not_ok(results).keys() == {"clock"} and "could not be reached" in results["clock"].found
    assert results["rights"].found == "the service was not reached"


@pytest.mark.parametrize(
    ("url", "answer", "status"),
    [
        ("http://cdn.example", None, "failed"),
        ("https://cdn.example/path", WebAnswer(301, {"location": "https://cdn.example/path/"}, b""), "ok"),
        ("https://cdn.example", WebAnswer(200, {}, b""), "warning"),
        ("https://cdn.example", WebAnswer(302, {"location": "http://cdn.example/x"}, b""), "warning"),
    ],
)
def test_plain_http_leads_to_https(
    folder: Store, monkeypatch: pytest.MonkeyPatch, url: str, answer: WebAnswer | None, status: str
):
    asked: list[str] = []

    def ask_nobody(site: Site, method: str, address: str, **_: str) -> WebAnswer:
        asked.append(address)
        return answer or WebAnswer(404, {}, b"")

    monkeypatch.setattr(Site, "ask", ask_nobody)
    assert examined(folder, url)["https"].status == status
    if answer:
        assert asked[0] == url.replace("https", "http") + "/"


@pytest.mark.parametrize(
    "url", ["ftp://a", "cdn.example", "https://", "https://a?b=1", "https://user:topsecret@a", "http://[::1"]
)
def test_addresses_that_are_none(folder: Store, url: str):
    with pytest.raises(UsageError) as caught:
        examine(folder, url)
    assert "topsecret" not in str(caught.value)
    assert list(folder.list()) == []
