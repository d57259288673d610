"""Single requests to an S3 service, signed or as a stranger's; see :mod:`yolo_edge.publication.probe`."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from yolo_edge.publication.probe import Reply
from yolo_edge.publication.refusals import explained
from yolo_edge.publication.store import Headers, check_key, check_prefix, sha256_hex

_CONDITIONS = {"If-None-Match": "IfNoneMatch", "If-Match": "IfMatch"}


def object_parameters(data: bytes, headers: Headers, sha256: str) -> dict[str, Any]:
    """Return what an object is written with, as publishing and the doctor's probes both write it.

    Args:
        data: its bytes.
        headers: what it shall be served with.
        sha256: lowercase hex, what the service is told that ``data`` has.
    """
    optional = {"CacheControl": headers.cache_control, "ContentEncoding": headers.content_encoding}
    return {
        "Body": data,
        "ContentType": headers.content_type,
        "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode(),
        **{name: value for name, value in optional.items() if value is not None},
    }


class S3Probe:
    """Requests to one bucket.

    Args:
        client: of boto3, with credentials.
        stranger: of boto3, whose requests are not signed.
        bucket: its name.
        start: what all keys are put below, with a slash at its end; empty for none.
        address: of the store, for messages.
    """

    def __init__(self, client: Any, stranger: Any, *, bucket: str, start: str, address: str) -> None:
        self.endpoint: str = client.meta.endpoint_url
        self._clients = {False: client, True: stranger}
        self._bucket = bucket
        self._start = start
        self._address = address

    def put(
        self,
        key: str,
        data: bytes,
        headers: Headers,
        *,
        conditions: Mapping[str, str] | None = None,
        sha256: str | None = None,
        as_stranger: bool = False,
    ) -> Reply:
        """See :meth:`yolo_edge.publication.probe.Probe.put`."""
        written = object_parameters(data, headers, sha256 or sha256_hex(data))
        named = {_CONDITIONS[name]: value for name, value in (conditions or {}).items()}
        return self._reply(self._clients[as_stranger].put_object, Key=self._start + check_key(key), **written, **named)

    def list(self, prefix: str, *, as_stranger: bool = False) -> Reply:
        """See :meth:`yolo_edge.publication.probe.Probe.list`."""
        client = self._clients[as_stranger]
        return self._reply(client.list_objects_v2, Prefix=self._start + check_prefix(prefix), MaxKeys=1)

    def delete(self, key: str, *, as_stranger: bool = False) -> Reply:
        """See :meth:`yolo_edge.publication.probe.Probe.delete`."""
        return self._reply(self._clients[as_stranger].delete_object, Key=self._start + check_key(key))

    def _reply(self, request: Callable[..., dict[str, Any]], **parameters: object) -> Reply:
        from botocore.exceptions import ClientError

        code = ""
        with explained(self._address, self.endpoint):
            try:
                answer = request(Bucket=self._bucket, **parameters)
            except ClientError as error:
                answer = dict(error.response)
                code = str(answer.get("Error", {}).get("Code", ""))
        metadata = answer.get("ResponseMetadata", {})
        status = int(metadata.get("HTTPStatusCode", 0))
        return Reply(status, "" if code == str(status) else code, _date(metadata.get("HTTPHeaders", {}).get("date")))


def _date(header: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(header) if header else None
    except ValueError:
        return None
