"""S3 buckets as stores: Amazon S3, Cloudflare R2, and servers that speak like them.

Credentials, region and endpoint come from where boto3 looks for them: ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``,
``AWS_PROFILE``, ``AWS_ENDPOINT_URL_S3``, the files below ``~/.aws``, the role of a machine. Nothing of it is kept or
printed. What the service must know: conditional writes (``If-None-Match``, ``If-Match``) and SHA-256 checksums.
"""

from __future__ import annotations

import base64
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from yolo_edge.errors import ConflictError, MissingComponentError, NetworkError, UsageError
from yolo_edge.publication.first_connection import FirstConnection
from yolo_edge.publication.probe import Probe
from yolo_edge.publication.refusals import explained, refusal_of
from yolo_edge.publication.s3_probe import S3Probe, object_parameters
from yolo_edge.publication.store import (
    Headers,
    ListedObject,
    ObjectInfo,
    Store,
    StoreKind,
    already_there,
    check_key,
    check_prefix,
    differences,
    lost_race,
    sha256_hex,
)

ATTEMPTS = 6
"""How often a request is made that the service is too busy for, or whose answer breaks off."""

PAGE_SIZE = 1000
"""Objects in one answer to a listing; S3 gives no more."""

_PAUSE = 0.2  # seconds before the second attempt at most, twice as long before each further one
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
_MISSING_OBJECT = ("NoSuchKey", "404", "NotFound")  # an answer to HEAD has no body, so the status stands for the code
_LOST = ("PreconditionFailed", "412")
_CLASH = ("ConditionalRequestConflict", "409")  # two conditional writes at one moment: neither is decided
_PASSING = (409, 429)  # statuses that botocore gives up on at once; R2 takes one write a second to one key

Answer = dict[str, Any]
_Result = TypeVar("_Result")


class S3Store:
    """Objects below a prefix of a bucket.

    Args:
        bucket: its name; it exists already.
        prefix: what all keys are put below; none if empty.
        endpoint_url: of the service; None for what boto3 finds in its settings, else Amazon's.
        page_size: objects to ask for in one request of a listing.

    Raises:
        MissingComponentError: boto3 is not installed.
        NetworkError: the settings that boto3 finds cannot be used.
    """

    def __init__(
        self, bucket: str, prefix: str = "", *, endpoint_url: str | None = None, page_size: int = PAGE_SIZE
    ) -> None:
        self.address = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket = bucket
        self._start = f"{prefix}/" if prefix else ""
        self._page_size = page_size
        self._bucket_is_there = False
        self._endpoint_url = endpoint_url
        self._client = _client(endpoint_url, self.address)

    def put_once(self, key: str, data: bytes, headers: Headers) -> ObjectInfo:
        """See :meth:`yolo_edge.publication.store.Store.put_once`."""
        check_key(key)
        written = self._put_if(key, data, headers, IfNoneMatch="*")
        if written is not None:
            return written
        found = self.head(key)
        if found is None:
            raise lost_race(self.address, key, found)
        told = differences(found, data, headers)
        if told:
            raise already_there(self.address, key, told)
        return found

    def swap(self, key: str, data: bytes, headers: Headers, expected: str | None) -> ObjectInfo:
        """See :meth:`yolo_edge.publication.store.Store.swap`."""
        check_key(key)
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        written = self._put_if(key, data, headers, **condition)
        if written is not None:
            return written
        found = self.head(key)
        if found is None or differences(found, data, headers):
            raise lost_race(self.address, key, found)
        return found

    def get(self, key: str) -> tuple[bytes, ObjectInfo] | None:
        """See :meth:`yolo_edge.publication.store.Store.get`.

        Raises:
            NetworkError: besides the usual, what came is not what the object's checksum says, time and again.
        """
        from botocore.exceptions import HTTPClientError

        check_key(key)
        for attempt in range(ATTEMPTS):
            _pause(attempt)
            answer = self._asked("get_object", key, ChecksumMode="ENABLED")
            if answer is None:
                return None
            try:
                data: bytes = answer["Body"].read()  # botocore repeats requests, but no answer that breaks off here
            except (HTTPClientError, OSError):
                continue
            sha256 = sha256_hex(data)
            if _stated_sha256(answer) in (None, sha256):
                return data, self._info(key, answer, sha256, size=len(data))
        raise NetworkError(
            f"{key} did not come whole from {self.address} in {ATTEMPTS} attempts.", fix="Try again later."
        )

    def head(self, key: str) -> ObjectInfo | None:
        """See :meth:`yolo_edge.publication.store.Store.head`."""
        answer = self._asked("head_object", check_key(key), ChecksumMode="ENABLED")
        if answer is None:
            self._require_bucket()
            return None
        sha256 = _stated_sha256(answer)
        if sha256 is None:  # put there by something else: nothing but its bytes tells
            found = self.get(key)
            return found[1] if found else None
        return self._info(key, answer, sha256, size=answer["ContentLength"])

    def list(self, prefix: str = "") -> Iterator[ListedObject]:
        """See :meth:`yolo_edge.publication.store.Store.list`."""
        start = self._start + check_prefix(prefix)
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=start, PaginationConfig={"PageSize": self._page_size}
        )
        with self._explained():
            for page in pages:
                for entry in page.get("Contents", ()):
                    if not entry["Key"].endswith("/"):  # what some tools put there to show a folder
                        key = entry["Key"].removeprefix(self._start)
                        yield ListedObject(key, entry["Size"], entry["LastModified"])

    def delete(self, key: str) -> None:
        """See :meth:`yolo_edge.publication.store.Store.delete`."""
        check_key(key)
        with self._explained():
            self._patiently(lambda: self._client.delete_object(Bucket=self._bucket, Key=self._start + key))

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self.address, self._client.meta.endpoint_url)

    def settle(self) -> None:
        """See :meth:`yolo_edge.publication.store.Store.settle`. Nothing does."""

    def probe(self) -> Probe:
        """See :meth:`yolo_edge.publication.probe.Probeable.probe`."""
        stranger = _client(self._endpoint_url, self.address, is_stranger=True)
        return S3Probe(self._client, stranger, bucket=self._bucket, start=self._start, address=self.address)

    def _put_if(self, key: str, data: bytes, headers: Headers, **condition: str) -> ObjectInfo | None:
        """Write an object under a condition; None if it does not hold."""
        from botocore.exceptions import ClientError

        sha256 = sha256_hex(data)
        request = {
            "Bucket": self._bucket,
            "Key": self._start + key,
            "Metadata": {"sha256": sha256},
            **object_parameters(data, headers, sha256),
            **condition,
        }
        with self._explained():
            try:
                answer = self._patiently(lambda: self._client.put_object(**request))
            except ClientError as error:
                code = refusal_of(error)
                if code in _LOST or ("IfMatch" in condition and code in _MISSING_OBJECT):
                    return None
                if code in _CLASH:
                    raise ConflictError(
                        f"{key} in {self.address} is being written by others, in all of {ATTEMPTS} attempts.",
                        fix="Wait until they are done, then try again.",
                    ) from error
                raise
        now = datetime.now(UTC)  # an answer to PUT does not say
        return ObjectInfo(key, len(data), now, sha256, answer["ETag"], headers, written=True)

    def _asked(self, operation: str, key: str, **options: str) -> Answer | None:
        """Ask for one object; None if it is not there."""
        from botocore.exceptions import ClientError

        ask: Callable[..., Answer] = getattr(self._client, operation)
        with self._explained():
            try:
                return self._patiently(lambda: ask(Bucket=self._bucket, Key=self._start + key, **options))
            except ClientError as error:
                if refusal_of(error) in _MISSING_OBJECT:
                    return None
                raise

    def _patiently(self, request: Callable[[], _Result]) -> _Result:
        """Make a request again where botocore does not: two writers at one moment, too many writes to one key."""
        from botocore.exceptions import ClientError

        for attempt in range(ATTEMPTS - 1):
            _pause(attempt)
            try:
                return request()
            except ClientError as error:
                if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") not in _PASSING:
                    raise
        _pause(ATTEMPTS - 1)
        return request()

    def _require_bucket(self) -> None:
        """Tell a missing bucket from a missing object, which answers to HEAD do not."""
        from botocore.exceptions import ClientError

        if self._bucket_is_there:
            return
        with self._explained():
            try:
                self._client.head_bucket(Bucket=self._bucket)
            except ClientError as error:
                if refusal_of(error) in _MISSING_OBJECT:
                    error.response["Error"]["Code"] = "NoSuchBucket"
                    raise
                # Keys that may write objects need not be allowed to ask for the bucket.
        self._bucket_is_there = True

    def _info(self, key: str, answer: Answer, sha256: str, *, size: int) -> ObjectInfo:
        headers = Headers(
            answer.get("ContentType") or "application/octet-stream",
            answer.get("CacheControl") or None,
            answer.get("ContentEncoding") or None,
        )
        return ObjectInfo(key, size, answer["LastModified"], sha256, answer["ETag"], headers)


def _client(endpoint_url: str | None, address: str, *, is_stranger: bool = False) -> Any:
    """Return a client that sends each body once, with one checksum, in the form that every service takes.

    A stranger's requests are not signed: nobody knows who sends them.
    """
    try:
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config
    except ImportError as error:
        raise MissingComponentError(
            "boto3 is not installed, which s3:// stores need.", fix="Run: pip install 'yolo-edge[s3]'"
        ) from error
    config = Config(
        s3={"addressing_style": "path"},
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=5,
        read_timeout=60,
        # The default appends a checksum to the body: R2 refuses it, others keep `aws-chunked` as Content-Encoding.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=16,
        signature_version=UNSIGNED if is_stranger else None,
    )
    with explained(address):
        # A session of its own: boto3's default one may not be shared between threads.
        client = boto3.session.Session().client("s3", endpoint_url=endpoint_url, config=config)
    client.meta.events.register("before-send.s3.PutObject", _without_expect)
    FirstConnection().watch(client)
    return client


def _without_expect(request: Any, **_: object) -> None:
    """Take out ``Expect: 100-continue``, which costs a round trip, or a second where the server ignores it."""
    if "Expect" in request.headers:
        del request.headers["Expect"]


def _pause(attempt: int) -> None:
    """Wait before an attempt, for a time that differs between rivals; not before the first."""
    if attempt:
        time.sleep(_PAUSE * 2 ** (attempt - 1) * random.uniform(0.5, 1))


def _stated_sha256(answer: Answer) -> str | None:
    """Return the sha256 of an object as the service states it, lowercase hex.

    The service's own checksum comes first: it was checked when the object was written. That of an object written in
    parts (``…-3``) is none of its bytes.
    """
    checksum = answer.get("ChecksumSHA256")
    if checksum and "-" not in checksum:
        return base64.b64decode(checksum).hex()
    noted: str | None = answer.get("Metadata", {}).get("sha256")
    return noted


def _open(address: str, endpoint_url: str | None) -> Store:
    parts = urlsplit(address)
    bucket, prefix = parts.netloc, parts.path.strip("/")
    if not _BUCKET.fullmatch(bucket) or parts.query or parts.fragment:
        raise UsageError(  # the address itself may hold a secret, and is not repeated
            "This is not the address of a bucket.",
            fix="Give s3://bucket or s3://bucket/prefix; credentials come from AWS_ACCESS_KEY_ID or ~/.aws alone.",
        )
    if endpoint_url is not None:
        _check_endpoint(endpoint_url)
    return S3Store(bucket, check_key(prefix) if prefix else "", endpoint_url=endpoint_url)


def _check_endpoint(endpoint_url: str) -> None:
    parts = urlsplit(endpoint_url)
    is_plain = parts.path in ("", "/") and not parts.query and not parts.fragment and "@" not in parts.netloc
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        raise UsageError(  # the address itself may hold a secret, and is not repeated
            "What --endpoint-url gives is not the endpoint of an S3 service.",
            fix="Give https://host or https://host:port; the bucket belongs into the address of the store.",
        )


STORE_KIND = StoreKind("s3", _open)
