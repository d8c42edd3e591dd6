"""What an S3 server's answers mean to a person: each a sentence, where, and the next command; no credentials in any."""

import os
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from botocore import exceptions as boto
from urllib3 import exceptions as http

from lading.errors import LadingError, MissingObjectError, StoreDeniedError, StoreError, StoreFullError, StoreMissingError

TIMEOUTS = (boto.ReadTimeoutError, boto.ConnectTimeoutError, http.ReadTimeoutError)
UNREACHABLE = (boto.HTTPClientError, boto.ConnectionError, http.HTTPError, ConnectionError, TimeoutError, boto.IncompleteReadError)
"""Connections refused, reset, timed out, or broken midway: worth another try."""
_PERMANENT = (boto.SSLError, boto.ProxyConnectionError)
BUSY = {
    "SlowDown",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "Throttling",
    "RequestLimitExceeded",
    "503",
    "500",
    "502",
    "504",
}
CONFLICT = {"ConditionalRequestConflict", "OperationAborted"}
MISSING = {"NoSuchKey", "NotFound", "404"}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "EntityTooLarge", "NoSpaceLeft", "507"}
_WRONG_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "AuthorizationHeaderMalformed"}
_OLD_KEYS = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"}
_SKEW = {"RequestTimeTooSkewed", "RequestExpired"}
_DENIED = {"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem", "MethodNotAllowed"}
_UNKNOWN = {"NotImplemented", "501"}


def code_of(error: Exception) -> str:
    """The server's own word for an error, or nothing."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, boto.ClientError) else ""


def is_passing(error: Exception) -> bool:
    """Whether another try may well succeed."""
    if isinstance(error, boto.ClientError):
        return code_of(error) in BUSY | CONFLICT or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 502
    return isinstance(error, UNREACHABLE) and not isinstance(error, _PERMANENT)


def endpoint() -> str:
    """The server as a person knows it: without the user part that an address may hold."""
    parts = _address()
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def endpoint_secrets() -> tuple[str, ...]:
    """The user part of the server's address, which no message may hold."""
    parts = _address()
    return tuple(value for value in (parts.password, parts.username) if value)


def _address() -> SplitResult:
    return urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "https://s3.amazonaws.com")


def meaning(error: Exception, act: str, bucket: str, *, masks: tuple[str, ...] = ()) -> LadingError:
    """The error of lading for one of boto's; `act` is what was tried, `masks` what no message may hold."""
    where = f"s3://{bucket} at {endpoint()}"
    if isinstance(error, boto.ClientError):
        return _refusal(error, act, where, bucket, masks)
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError | boto.ProfileNotFound):
        return StoreDeniedError(
            f"there are no credentials for {where}, or only half of them",
            do="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; in a cluster a Secret or a workload identity",
        )
    if isinstance(error, boto.SSLError):
        return StoreError(
            f"the certificate of {endpoint()} can't be verified", do="AWS_CA_BUNDLE=/path/to/ca.pem names the authority that signed it"
        )
    if isinstance(error, TIMEOUTS):
        return StoreError(f"{where} does not answer in time; tried to {act}", do=f"curl -v {endpoint()}; then the same command again")
    if isinstance(error, UNREACHABLE):
        return StoreError(f"{where} is out of reach; tried to {act}", do=f"curl -v {endpoint()} (AWS_ENDPOINT_URL says which server)")
    return StoreError(f"{where}: could not {act}: {_masked(f'{type(error).__name__}: {error}', masks)}", do="lading doctor")


def _refusal(error: Any, act: str, where: str, bucket: str, masks: tuple[str, ...]) -> LadingError:
    """What a server that answered means by it."""
    code = code_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in MISSING:
        return MissingObjectError(f"could not {act}: {where} has no such object")
    if code == "NoSuchBucket":
        return StoreMissingError(f"there is no bucket {where}", do=f"aws s3 mb s3://{bucket}, or name another by --store")
    if code in _SKEW:
        message = f"the clock of this machine and that of {where} differ{_skew(error)}, so it refuses every signature"
        return StoreError(message, do="set the clock: timedatectl; chronyc makestep")
    if code in _WRONG_KEYS | _OLD_KEYS | _DENIED or status in {401, 403}:
        return _denial(code, act, where)
    if code in _FULL or status == 507:
        return StoreFullError(f"{where} has no space left to {act} ({code})", do="raise the quota; `lading gc` removes what nothing needs")
    if code in _UNKNOWN or status == 501:
        return StoreError(f"{where} does not support the request needed to {act} ({code})", do="use a server with conditional writes")
    text = str(error.response.get("Error", {}).get("Message", ""))[:300]
    return StoreError(f"{where}: could not {act}: {code or status} {_masked(text, masks)}".rstrip(), do="lading doctor")


def _denial(code: str, act: str, where: str) -> LadingError:
    """Why a server turns this identity away."""
    whoami = "aws sts get-caller-identity shows who you are"
    if code in _WRONG_KEYS:
        return StoreDeniedError(f"{where} does not know these credentials ({code})", do=whoami)
    if code in _OLD_KEYS:
        return StoreDeniedError(f"the credentials for {where} have expired", do="sign in again: aws sso login, or renew AWS_SESSION_TOKEN")
    rights = "ask for s3:GetObject, PutObject, DeleteObject and ListBucket on it"
    return StoreDeniedError(f"{where} denies this identity to {act}", do=f"{rights}; {whoami}")


def _masked(text: str, masks: tuple[str, ...]) -> str:
    for mask in masks:
        text = text.replace(mask, "***")
    return text


def _skew(error: Any) -> str:
    """By how much the clocks differ, as the answer's own date shows it."""
    try:
        theirs = parsedate_to_datetime(error.response["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError, TypeError):
        return ""
    return f" by {abs((datetime.now(UTC) - theirs).total_seconds()):.0f} s"
