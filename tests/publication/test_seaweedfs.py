"""The service for demos and tests leaves nothing behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from yolo_edge.publication import seaweedfs


def sockets() -> set[Path]:
    return set(Path("/tmp").glob("seaweedfs-*.sock"))


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_no_sockets_are_left(tmp_path: Path, end: str):
    pytest.importorskip("boto3", reason="the extra s3 is not installed")
    weed = seaweedfs.find_weed()
    if weed is None or shutil.which("openssl") is None:
        pytest.skip("SeaweedFS or openssl is not installed")
    with seaweedfs.running(weed, tmp_path) as service:
        port = service.endpoints["http"].rpartition(":")[2]
        assert any(port in path.name for path in sockets()), "the program makes some"
        made = {path for path in sockets() if any(str(each) in path.name for each in service.ports)}
        getattr(service, end)()
        assert not made & sockets()
