"""What botocore's exceptions mean for the one who publishes, and which setting to look at. No secret is repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from yolo_edge.errors import NetworkError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_KEYS = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE and ~/.aws/credentials."
_RIGHTS = (
    "The access key needs s3:GetObject, s3:PutObject and s3:ListBucket; without the last, an object that is not there "
    "looks forbidden. A bare 403 may also come from a wrong AWS_SECRET_ACCESS_KEY."
)
_REGION = "Check AWS_REGION, or the region in ~/.aws/config."
_ENDPOINT = "Check the endpoint (--endpoint-url, AWS_ENDPOINT_URL_S3), the network and the proxy settings."
_SESSION = "Sign in again, or renew AWS_SESSION_TOKEN."

REFUSALS: dict[str, tuple[str, str]] = {
    "SignatureDoesNotMatch": ("refused the secret access key", _KEYS),
    "InvalidAccessKeyId": ("does not know the access key", _KEYS),
    "Unauthorized": ("refused the credentials", _KEYS),
    "401": ("refused the credentials", _KEYS),
    "AccessDenied": ("does not allow this to the access key", _RIGHTS),
    "403": ("refused", _RIGHTS),
    "ExpiredToken": ("says that the session has expired", _SESSION),
    "InvalidToken": ("refused the session token", _SESSION),
    "RequestTimeTooSkewed": ("finds that the clock of this machine is wrong", "Set the clock."),
    "NoSuchBucket": ("has no such bucket", "Create the bucket, or check its name and the endpoint."),
    "PermanentRedirect": ("keeps the bucket in another region", _REGION),
    "301": ("keeps the bucket in another region", _REGION),
    "AuthorizationHeaderMalformed": ("keeps the bucket in another region", _REGION),
    "BadDigest": ("received other bytes than were sent", "Try again; look at proxies in between if it stays so."),
    "NotImplemented": (
        "does not know a header that safe publishing needs",
        "Choose a service with conditional writes and SHA-256 checksums.",
    ),
}
"""Code of an answer → what the service did, and what to do about it."""


def refusal_of(error: ClientError) -> str:
    """Return the code of an answer that refuses, or its HTTP status where it has none."""
    code = str(error.response.get("Error", {}).get("Code") or "")
    return code or str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "unknown"))


@contextmanager
def explained(address: str, endpoint: str | None = None) -> Iterator[None]:
    """Turn what boto3 raises into errors that say which setting to check.

    Args:
        address: of the store, for the message.
        endpoint: of the service, for the message; None where it is not known yet.

    Raises:
        NetworkError: the service is not reached, refuses, or its settings cannot be used.
    """
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        raise _refused(address, refusal_of(error)) from None  # its text may hold what was signed
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise NetworkError(f"There are no complete credentials for {address}.", fix=_KEYS) from error
    except (
        exceptions.CredentialRetrievalError,
        exceptions.TokenRetrievalError,
        exceptions.SSOError,
        exceptions.UnauthorizedSSOTokenError,
    ) as error:
        raise NetworkError(f"The credentials for {address} could not be fetched.", fix=_SESSION) from error
    except (exceptions.ProfileNotFound, exceptions.ConfigParseError, exceptions.ConfigNotFound) as error:
        raise NetworkError(
            f"The settings for {address} cannot be read.", fix="Check AWS_PROFILE and the files in ~/.aws."
        ) from error
    except exceptions.SSLError as error:
        raise NetworkError(
            f"The service of {address} has no certificate that is trusted here.",
            fix="Check the endpoint; AWS_CA_BUNDLE names the file of an authority of your own.",
        ) from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        where = f" at {_without_secrets(endpoint)}" if endpoint else ""
        raise NetworkError(f"The service of {address} could not be reached{where}.", fix=_ENDPOINT) from error
    except (exceptions.BotoCoreError, ValueError) as error:
        raise NetworkError(
            f"The settings for {address} cannot be used ({type(error).__name__}).",
            fix=f"{_ENDPOINT} {_REGION}",
        ) from error


def _without_secrets(endpoint: str) -> str:
    """Leave out all but scheme, host and port: settings may hold a password."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _refused(address: str, code: str) -> NetworkError:
    did, fix = REFUSALS.get(code, (f"answered {code}", "Try again later."))
    return NetworkError(f"The service of {address} {did} ({code}).", fix=fix)
