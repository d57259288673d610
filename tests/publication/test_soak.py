"""Short forms of ``benchmarks/publication.py``: deaths, rivals and faults, against a real service."""

from __future__ import annotations

import pytest

from benchmarks import publication as soak

pytestmark = pytest.mark.slow


@pytest.fixture(params=["http", "https"])
def endpoint(request, s3_settings) -> str:
    return s3_settings.endpoints[request.param]


def test_a_publisher_that_is_killed_leaves_nothing_bad_to_readers(endpoint, tmp_path):
    loads, wrong = soak.killed_publisher(endpoint, tmp_path, step=6, readers=1)
    assert wrong == []
    assert loads > 20


def test_a_faulty_network_delays_and_never_lies(endpoint, tmp_path):
    assert soak.faulty(endpoint, tmp_path, soak.FAULTS, connections=25) == []


def test_a_service_that_is_too_busy_is_asked_again(s3_settings, tmp_path):
    assert soak.faulty(s3_settings.endpoints["http"], tmp_path, soak.ANSWERS, connections=12) == []


def test_a_service_that_is_killed_corrupts_nothing(tmp_path):
    with soak.service_running() as service:
        assert soak.killed_service(service, service.endpoints["https"], tmp_path, times=2) == []
