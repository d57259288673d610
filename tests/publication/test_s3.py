"""What is particular to S3: checksums, credentials, pages, answers that break off."""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.publication import forgetful
from yolo_edge.errors import ConflictError, NetworkError, UsageError
from yolo_edge.publication import s3, seaweedfs
from yolo_edge.publication.store import Headers, open_store

PLAIN = Headers("application/octet-stream")


@pytest.fixture
def bucket(s3_settings: seaweedfs.Service) -> s3.S3Store:
    """A store on the http endpoint, small pages."""
    return s3.S3Store(seaweedfs.BUCKET, secrets.token_hex(6), endpoint_url=s3_settings.endpoints["http"], page_size=7)


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, which are noted and left out."""
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    return waits


def test_listing_goes_on_over_pages(bucket: s3.S3Store):
    keys = [f"k{number:02}" for number in range(30)]
    for key in keys:
        bucket.put_once(key, b"", PLAIN)
    assert sorted(item.key for item in bucket.list()) == keys


def test_bytes_that_change_on_the_way_are_refused(bucket: s3.S3Store):
    def damage(request: object, **_: object) -> None:
        request.body = b"tampered"  # same length

    bucket._client.meta.events.register("before-send.s3.PutObject", damage)
    with pytest.raises(NetworkError, match=r"BadDigest|other bytes|XAmzContentSHA256Mismatch"):
        bucket.put_once("a", b"original", PLAIN)
    assert bucket.head("a") is None


def test_uploads_do_not_wait_for_leave(bucket: s3.S3Store):
    sent: list[dict[str, object]] = []
    bucket._client.meta.events.register_last(
        "before-send.s3.PutObject", lambda request, **_: sent.append({**request.headers})
    )
    bucket.put_once("a", b"data", PLAIN)
    names = {name.lower() for name in sent[0]}
    assert "expect" not in names
    assert "x-amz-checksum-sha256" in names
    assert "x-amz-trailer" not in names


def test_object_of_other_making_is_compared_by_its_bytes(bucket: s3.S3Store):
    bucket._client.put_object(
        Bucket=seaweedfs.BUCKET, Key=f"{bucket._start}a", Body=b"data", ContentType="application/octet-stream"
    )
    assert not bucket.put_once("a", b"data", PLAIN).written
    with pytest.raises(ConflictError):
        bucket.put_once("a", b"else", PLAIN)


class Broken:
    """A body that breaks off."""

    def __init__(self, error: Exception | None = None, data: bytes = b"") -> None:
        self.error, self.data = error, data

    def read(self) -> bytes:
        if self.error:
            raise self.error
        return self.data


@pytest.mark.parametrize("how", ["breaks off", "is damaged"])
def test_answer_that_fails_is_asked_for_again(
    bucket: s3.S3Store, no_waits: list[float], monkeypatch: pytest.MonkeyPatch, how: str
):
    from botocore.exceptions import ResponseStreamingError

    bucket.put_once("a", b"data", PLAIN)
    genuine = bucket._client.get_object
    asked: list[object] = []

    def get_object(**request: object) -> dict[str, object]:
        asked.append(request)
        answer = genuine(**request)
        if len(asked) < 3:
            answer["Body"] = Broken(ResponseStreamingError(error="cut")) if how == "breaks off" else Broken(data=b"dat")
        return answer

    monkeypatch.setattr(bucket._client, "get_object", get_object)
    assert bucket.get("a")[0] == b"data"
    assert len(asked) == 3 and len(no_waits) == 2
    asked.clear()
    monkeypatch.setattr(
        bucket._client, "get_object", lambda **request: genuine(**request) | {"Body": Broken(OSError())}
    )
    with pytest.raises(NetworkError, match="did not come whole"):
        bucket.get("a")


@pytest.mark.parametrize(("status", "code"), [(409, "ConditionalRequestConflict"), (429, "TooManyRequests")])
def test_busy_service_is_given_time(
    bucket: s3.S3Store, no_waits: list[float], monkeypatch: pytest.MonkeyPatch, status: int, code: str
):
    from botocore.exceptions import ClientError

    genuine = bucket._client.put_object
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    refusals = [ClientError(answer, "PutObject")] * 4

    def put_object(**request: object) -> object:
        if refusals:
            raise refusals.pop()
        return genuine(**request)

    monkeypatch.setattr(bucket._client, "put_object", put_object)
    assert bucket.put_once("a", b"data", PLAIN).written
    assert len(no_waits) == 4 and sum(no_waits) > 1, "R2 takes one write a second to one key"
    refusals.extend([ClientError(answer, "PutObject")] * s3.ATTEMPTS)
    expected = ConflictError if status == 409 else NetworkError
    with pytest.raises(expected):
        bucket.put_once("b", b"data", PLAIN)


def every_call(store: s3.S3Store) -> list[object]:
    return [
        lambda: store.put_once("a", b"data", PLAIN),
        lambda: store.swap("a", b"data", PLAIN, None),
        lambda: store.get("a"),
        lambda: store.head("a"),
        lambda: list(store.list()),
        lambda: store.delete("a"),
    ]


def test_wrong_secret_is_told_and_not_shown(s3_settings: seaweedfs.Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret-0123456789")
    store = open_store(f"s3://{seaweedfs.BUCKET}/x", endpoint_url=s3_settings.endpoints["http"])
    for call in every_call(store):
        with pytest.raises(NetworkError, match="AWS_SECRET_ACCESS_KEY") as caught:
            call()
        assert "another-secret" not in str(caught.value)
        assert caught.value.__suppress_context__, "the answer of the service may hold what was signed"


def test_no_credentials(s3_settings: seaweedfs.Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = open_store(f"s3://{seaweedfs.BUCKET}/x", endpoint_url=s3_settings.endpoints["http"])
    with pytest.raises(NetworkError, match=r"no complete credentials.*AWS_ACCESS_KEY_ID"):
        store.get("a")


def test_profile_that_is_not_there(s3_settings: seaweedfs.Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(NetworkError, match="AWS_PROFILE"):
        open_store(f"s3://{seaweedfs.BUCKET}/x")


def test_missing_bucket(s3_settings: seaweedfs.Service):
    store = open_store("s3://no-such-bucket/x", endpoint_url=s3_settings.endpoints["http"])
    for call in every_call(store)[2:5]:
        with pytest.raises(NetworkError, match=r"no such bucket.*Create the bucket"):
            call()


def test_wrong_clock(s3_settings: seaweedfs.Service, monkeypatch: pytest.MonkeyPatch):
    """Twenty minutes of skew, told by the genuine service."""
    import datetime

    from botocore import auth

    now = auth.get_current_datetime
    monkeypatch.setattr(auth, "get_current_datetime", lambda *a, **o: now(*a, **o) - datetime.timedelta(minutes=20))
    store = open_store(f"s3://{seaweedfs.BUCKET}/x", endpoint_url=s3_settings.endpoints["http"])
    with pytest.raises(NetworkError, match=r"clock of this machine is wrong.*Set the clock"):
        store.put_once("a", b"a", Headers("text/plain"))


@pytest.mark.parametrize(("refused", "call"), [("PUT", 0), ("HEAD", 3), ("GET", 2), ("LIST", 4), ("DELETE", 5)])
def test_missing_rights_are_named(refused: str, call: int, s3_settings: seaweedfs.Service, no_waits: list[float]):
    """Rights of a key cannot be set on the genuine service from here, so a stand-in refuses."""
    with forgetful.running(forgetful.Service(refuses={refused})) as service:
        store = open_store("s3://models/x", endpoint_url=service.endpoint)
        with pytest.raises(NetworkError, match=r"needs s3:GetObject, s3:PutObject and s3:ListBucket"):
            every_call(store)[call]()


def test_bucket_in_another_region(s3_settings: seaweedfs.Service, no_waits: list[float]):
    """What Amazon answers then; nothing that runs here has regions."""
    body = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"

    class Elsewhere(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store = open_store("s3://models/x", endpoint_url=f"http://127.0.0.1:{server.server_address[1]}")
        with pytest.raises(NetworkError, match=r"another region.*AWS_REGION"):
            store.put_once("a", b"a", Headers("text/plain"))
        server.shutdown()


def test_service_that_is_not_there(s3_settings: seaweedfs.Service, no_waits: list[float]):
    store = open_store(f"s3://{seaweedfs.BUCKET}/x", endpoint_url="http://127.0.0.1:9")
    for call in every_call(store):
        with pytest.raises(NetworkError, match=r"could not be reached at http://127\.0\.0\.1:9\..*--endpoint-url"):
            call()


def test_password_in_an_endpoint_is_not_told(
    s3_settings: seaweedfs.Service, no_waits: list[float], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://user:topsecret@127.0.0.1:9")
    with pytest.raises(NetworkError, match=r"reached at http://127\.0\.0\.1:9\.") as caught:
        open_store("s3://models/x").get("a")
    assert "topsecret" not in str(caught.value)


def test_certificate_that_nobody_vouches_for(
    s3_settings: seaweedfs.Service, no_waits: list[float], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("AWS_CA_BUNDLE")
    store = open_store(f"s3://{seaweedfs.BUCKET}/x", endpoint_url=s3_settings.endpoints["https"])
    with pytest.raises(NetworkError, match=r"certificate.*AWS_CA_BUNDLE"):
        store.get("a")


@pytest.mark.parametrize(
    "address", ["s3://", "s3:///models", "s3://key:topsecret@bucket/a", "s3://b/a?secret=topsecret"]
)
def test_addresses_that_are_none(address: str):
    with pytest.raises(UsageError, match="s3://bucket/prefix") as caught:
        open_store(address)
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["../a", "a//b", ".a"])
def test_prefixes_that_are_no_keys(prefix: str):
    with pytest.raises(UsageError, match="cannot be the key"):
        open_store(f"s3://bucket/{prefix}")


@pytest.mark.parametrize("endpoint", ["host", "ftp://host", "https://a:topsecret@host", "https://host/bucket"])
def test_endpoints_that_are_none(endpoint: str):
    with pytest.raises(UsageError, match="endpoint") as caught:
        open_store("s3://bucket", endpoint_url=endpoint)
    assert "topsecret" not in str(caught.value)


def test_missing_boto3_is_told_and_nothing_is_imported_early():
    code = """
import sys
from yolo_edge.publication import s3, store
assert not {"boto3", "botocore"} & set(sys.modules), "loaded early"
sys.modules["boto3"] = None
store.open_store("s3://bucket")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingComponentError" in done.stderr and "pip install 'yolo-edge[s3]'" in done.stderr
