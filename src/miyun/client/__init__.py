"""The Python SDK of Miyun: needs only this folder and httpx.

from miyun.client import Client

with Client("https://127.0.0.1:8600", access_key, secret_key, verify="listener-ca.pem") as miyun:
    token = miyun.timestamp.issue(digest=digest, hash_algorithm="SM3")["token"]
"""

from miyun.client._call import Octets
from miyun.client._client import AsyncClient, Client, Progress
from miyun.client._errors import (
    ApiError,
    Conflict,
    ConnectionFailed,
    CryptoFailure,
    IncompleteAnswer,
    InvalidRequest,
    MiyunError,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    Unauthenticated,
    Unavailable,
)
from miyun.client._signing import Signer

__all__ = (
    "ApiError",
    "AsyncClient",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "CryptoFailure",
    "IncompleteAnswer",
    "InvalidRequest",
    "MiyunError",
    "NotFound",
    "Octets",
    "PermissionDenied",
    "Progress",
    "QuotaExceeded",
    "Signer",
    "Unauthenticated",
    "Unavailable",
)
