"""The Python SDK of Miyun: needs only this folder and httpx.

from miyun.client import Client

with Client("https://127.0.0.1:8600", access_key, secret_key, verify="listener-ca.pem") as miyun:
    token = miyun.timestamp.issue(digest=digest, hash_algorithm="SM3")["token"]

A person with a key: it opens the session, and signs again for what is dangerous.

key = AgentKey("https://127.0.0.1:8600", getpass.getpass)
with Client("https://127.0.0.1:8600", verify="listener-ca.pem", step_up=key.sign) as miyun:
    miyun.sign_in(key)
    miyun.kms.key.schedule_deletion(key="key_…")
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
    KeyUnusable,
    MiyunError,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    StepUpRequired,
    Unauthenticated,
    Unavailable,
)
from miyun.client._keys import AgentKey, Key, StepUp
from miyun.client._signing import Signer

__all__ = (
    "AgentKey",
    "ApiError",
    "AsyncClient",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "CryptoFailure",
    "IncompleteAnswer",
    "InvalidRequest",
    "Key",
    "KeyUnusable",
    "MiyunError",
    "NotFound",
    "Octets",
    "PermissionDenied",
    "Progress",
    "QuotaExceeded",
    "Signer",
    "StepUp",
    "StepUpRequired",
    "Unauthenticated",
    "Unavailable",
)
