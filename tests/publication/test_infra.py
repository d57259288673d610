"""The ready-made settings are of the form that each service takes, and cover the keys of a release."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path
from typing import Any

import pytest

INFRA = Path(__file__).parents[2] / "configs" / "infra"
FILES = sorted(path.relative_to(INFRA).as_posix() for path in INFRA.rglob("*.json"))
KEYS = (
    "models/yolo-lite/channels/stable.json",
    "models/yolo-lite/1.2.0/manifest.json",
    "models/yolo-lite/1.2.0/retired.json",
    "models/yolo-lite/1.2.0/0123456789abcdef/int8/model.json",
    "models/yolo-lite/1.2.0/0123456789abcdef/int8/group1-shard1of1.bin",
    "models/yolo-lite/1.2.0/0123456789abcdef/web/index.js",
    "models/_doctor-0123456789abcdef/kept.bin",
)
POLICIES = [name for name in FILES if "bucket-policy" in name or "publisher" in name]


def read(name: str) -> Any:
    return json.loads((INFRA / name).read_text(encoding="utf-8"))


def test_there_are_settings_for_every_service():
    assert {name.split("/")[0] for name in FILES} == {"aws", "r2", "cloudflare", "cloudfront"}


@pytest.mark.parametrize("name", FILES)
def test_files_are_explained(name: str):
    read(name)
    assert name in (INFRA / "README.md").read_text(encoding="utf-8")


def check_form(service: str, operation: str, **parameters: object) -> None:
    """Hold parameters to the description of the service's own API, which botocore brings along."""
    botocore = pytest.importorskip("botocore.session", reason="the extra s3 is not installed")
    from botocore.validate import ParamValidator

    shape = botocore.get_session().get_service_model(service).operation_model(operation).input_shape
    report = ParamValidator().validate(parameters, shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize(
    ("name", "service", "operation", "parameter"),
    [
        ("aws/cors.json", "s3", "PutBucketCors", "CORSConfiguration"),
        ("aws/public-access-block.json", "s3", "PutPublicAccessBlock", "PublicAccessBlockConfiguration"),
        ("cloudfront/cache-policy.json", "cloudfront", "CreateCachePolicy", "CachePolicyConfig"),
        (
            "cloudfront/response-headers-policy.json",
            "cloudfront",
            "CreateResponseHeadersPolicy",
            "ResponseHeadersPolicyConfig",
        ),
    ],
)
def test_amazons_api_takes_the_form(name: str, service: str, operation: str, parameter: str):
    bucket = {"Bucket": "models"} if service == "s3" else {}
    check_form(service, operation, **{parameter: read(name)}, **bucket)
    with pytest.raises(AssertionError):
        check_form(service, operation, **{parameter: read(name) | {"Unknown": 1}}, **bucket)


@pytest.mark.parametrize("name", POLICIES)
def test_policies_allow_what_is_needed_and_no_more(name: str):
    statements = read(name)["Statement"]
    for statement in statements:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert all(re.fullmatch(r"s3:(Get|Put|Delete)Object|s3:ListBucket", action) for action in actions)
        if statement["Effect"] == "Allow" and statement.get("Principal") == "*":
            assert actions == ["s3:GetObject"], "strangers read, and nothing else"
        if actions == ["s3:ListBucket"]:
            assert statement["Resource"] == "arn:aws:s3:::BUCKET"
            continue
        assert all(fnmatch.fnmatchcase(f"arn:aws:s3:::BUCKET/{key}", statement["Resource"]) for key in KEYS)
        assert not fnmatch.fnmatchcase("arn:aws:s3:::BUCKET/private/key.json", statement["Resource"])


@pytest.mark.parametrize("name", ["aws/bucket-policy.json", "cloudfront/bucket-policy.json"])
def test_writes_without_a_condition_are_denied(name: str):
    denied = [statement for statement in read(name)["Statement"] if statement["Effect"] == "Deny"]
    assert [statement["Action"] for statement in denied] == ["s3:PutObject"]
    assert denied[0]["Condition"]["Null"] == {"s3:if-none-match": "true", "s3:if-match": "true"}


@pytest.mark.parametrize("name", ["cloudflare/cache-rule.json", "cloudflare/response-headers.json"])
def test_rules_of_cloudflare_cover_every_key(name: str):
    for rule in read(name)["rules"]:
        host, prefix = re.fullmatch(
            r'\(http\.host eq "(.+?)" and starts_with\(http\.request\.uri\.path, "(.+?)"\)\)', rule["expression"]
        ).groups()
        assert host == "HOST" and all(f"/{key}".startswith(prefix) for key in KEYS)
        assert rule["action"] in ("set_cache_settings", "rewrite")


def test_bucket_lock_leaves_channels_alone():
    prefix = read("r2/bucket-lock.json")["rules"][0]["prefix"].replace("NAME", "yolo-lite").replace("MAJOR", "1")
    locked = [key for key in KEYS if key.startswith(prefix)]
    assert locked == [key for key in KEYS if "/1.2.0/" in key]


def test_bucket_policy_asks_for_the_rights_that_the_doctor_names():
    from yolo_edge.publication.refusals import REFUSALS

    granted = json.dumps(read("aws/publisher-policy.json"))
    named = re.findall(r"s3:\w+", REFUSALS["AccessDenied"][1])
    assert named and all(f'"{action}"' in granted for action in named)
