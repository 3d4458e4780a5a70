"""The synchronous and the asynchronous client."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from miyun.client._call import Operation, Prepared, Retry, confirm, prepare, result, signed
from miyun.client._errors import ApiError, ConnectionFailed, IncompleteAnswer, StepUpRequired, error_of
from miyun.client._keys import Key, StepUp, to_sign
from miyun.client._operations import OPERATIONS, Namespaces
from miyun.client._signing import Signer

CHUNK = 256 * 1024
Progress = Callable[[int, int], None]
"""Called with the octets sent and received so far."""


class _Base(Namespaces):
    """What both clients share. `session` is a person's session token, instead of an application's access key; `step_up`
    signs for what the platform wants signed by that person's key."""

    def __init__(
        self,
        url: str,
        access_key: str | None = None,
        secret_key: str | None = None,
        *,
        session: str | None = None,
        step_up: StepUp | None = None,
        tenant: str | None = None,
        verify: str | Path | ssl.SSLContext | bool = True,
        timeout: float = 30.0,
        attempts: int = 4,
        patience: float = 30.0,
        language: str = "zh",
        trust_env: bool = False,
        transport: Any = None,
    ) -> None:
        if (access_key is None) != (secret_key is None):
            raise TypeError("an access key needs its secret key")
        self._url = url.rstrip("/")
        self._signer = Signer(access_key, secret_key) if access_key and secret_key else None
        self._session = session
        self._step_up = step_up
        self._tenant = tenant
        self._language = language
        self._attempts, self._patience = attempts, patience
        context = ssl.create_default_context(cafile=str(verify)) if isinstance(verify, str | Path) else verify
        self._options: dict[str, Any] = {"timeout": timeout, "verify": context, "trust_env": trust_env}
        if transport is not None:
            self._options["transport"] = transport

    def _prepare(
        self, operation_id: str, values: dict[str, Any], content: bytes | None = None
    ) -> tuple[Operation, Prepared, Retry]:
        operation = OPERATIONS[operation_id]
        options = {name: values.pop(name, None) for name in ("charge_to", "idempotency_key")}
        prepared = prepare(self._url, operation, values, content=content, language=self._language, **options)
        return operation, prepared, Retry(self._attempts, self._patience)

    def _browser(self) -> str:
        """What a challenge is bound to."""
        if self._signer is not None:
            raise TypeError("an access key is an application's: a person's key signs in without one")
        return secrets.token_urlsafe(24)

    def _signed_in(self, key: Key, asked: dict[str, Any], browser: str) -> dict[str, Any]:
        message = to_sign(asked["message"], self._url, self._language)
        return {
            "challenge": asked["challenge"],
            "certificate": base64.b64encode(key.certificate()).decode("ascii"),
            "signature": key.sign(message),
            "browser": browser,
        }

    def _headers(self, prepared: Prepared) -> dict[str, str]:
        return signed(prepared, self._signer, self._session, self._tenant)


class Client(_Base):
    """`Client("https://127.0.0.1:8600", ak, sk, verify="listener-ca.pem").timestamp.issue(digest=...)`.

    Threads may share one. `verify` is the file with the CA of the platform's listener. Proxies of the environment are
    used only with `trust_env`. A call is tried up to `attempts` times when that cannot execute it twice, waiting at
    most `patience` seconds between two attempts; 429 and 503 say with Retry-After how long.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._http = httpx.Client(**self._options)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def call(self, operation_id: str, /, *, body: bytes | None = None, **values: Any) -> Any:
        """Run any operation by its id. Besides its fields: `charge_to` (the service instance), `idempotency_key`.

        `body` are the octets of operations that take no JSON, or of the one field that an operation takes as its whole
        body (`encryption.encrypt`: the plaintext): bulk data without base64. Returns the JSON object, octets, or
        `Octets`. Raises ApiError and ConnectionFailed.
        """
        operation, prepared, retry = self._prepare(operation_id, values, body)
        if operation.body != "json" and prepared.content is None:
            raise TypeError(f"{operation_id} needs body, or use transfer()")
        step_up = self._step_up
        delay: float | None
        while True:
            try:
                answer = self._http.request(
                    prepared.method, prepared.url, content=prepared.content, headers=self._headers(prepared)
                )
                return result(operation, answer.status_code, answer.headers, answer.content)
            except StepUpRequired as refusal:
                if step_up is None:
                    raise
                confirm(prepared, operation, refusal, step_up)
                step_up, delay = None, 0.0
            except ApiError as error:
                delay = retry.after_refusal(error)
                if delay is None:
                    raise
            except httpx.TransportError as error:
                delay = retry.after_failure(repeatable=prepared.repeatable, sent=_was_sent(error))
                if delay is None:
                    raise ConnectionFailed(str(error) or type(error).__name__) from error
            time.sleep(delay)

    def sign_in(self, key: Key) -> Any:
        """Open a session with a person's key, and call as that person from now on.

        Returns the answer of `account.key.login`. Raises ApiError where the key is not accepted, and what it raises."""
        browser = self._browser()
        asked = self.call("account.key.challenge", browser=browser)
        answer = self.call("account.key.login", **self._signed_in(key, asked, browser))
        self._session = answer["token"]
        return answer

    def transfer(
        self,
        operation_id: str,
        source: str | Path | BinaryIO,
        target: str | Path | BinaryIO,
        *,
        progress: Progress | None = None,
        **values: Any,
    ) -> int:
        """Send `source` and write the answer to `target` as both flow, in constant memory; returns octets received.
        An operation that takes no stream leaves `source` alone.

        A target given by its path appears only when it is whole. Raises ApiError, ConnectionFailed, IncompleteAnswer.
        """
        _, prepared, _ = self._prepare(operation_id, values)
        count = _Count(progress)
        with _Source(source) as read, _Target(target) as written:
            try:
                with self._http.stream(
                    prepared.method,
                    prepared.url,
                    content=_chunks(read, count) if prepared.content is None else prepared.content,
                    headers=self._headers(prepared),
                ) as answer:
                    if answer.status_code >= 400:
                        raise error_of(answer.status_code, answer.headers, answer.read())
                    count.answering = True
                    for chunk in answer.iter_bytes(CHUNK):
                        written.write(chunk)
                        count.received_more(len(chunk))
            except httpx.TransportError as error:
                raise _broken(error, count) from error
        return count.received


class AsyncClient(_Base):
    """As Client, for asyncio: `await client.timestamp.issue(digest=...)`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._http = httpx.AsyncClient(**self._options)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def call(self, operation_id: str, /, *, body: bytes | None = None, **values: Any) -> Any:
        """As Client.call."""
        operation, prepared, retry = self._prepare(operation_id, values, body)
        if operation.body != "json" and prepared.content is None:
            raise TypeError(f"{operation_id} needs body, or use transfer()")
        step_up = self._step_up
        delay: float | None
        while True:
            try:
                answer = await self._http.request(
                    prepared.method, prepared.url, content=prepared.content, headers=self._headers(prepared)
                )
                return result(operation, answer.status_code, answer.headers, answer.content)
            except StepUpRequired as refusal:
                if step_up is None:
                    raise
                await asyncio.to_thread(confirm, prepared, operation, refusal, step_up)
                step_up, delay = None, 0.0
            except ApiError as error:
                delay = retry.after_refusal(error)
                if delay is None:
                    raise
            except httpx.TransportError as error:
                delay = retry.after_failure(repeatable=prepared.repeatable, sent=_was_sent(error))
                if delay is None:
                    raise ConnectionFailed(str(error) or type(error).__name__) from error
            await asyncio.sleep(delay)

    async def sign_in(self, key: Key) -> Any:
        """As Client.sign_in."""
        browser = self._browser()
        asked = await self.call("account.key.challenge", browser=browser)
        answer = await self.call("account.key.login", **await asyncio.to_thread(self._signed_in, key, asked, browser))
        self._session = answer["token"]
        return answer

    async def transfer(
        self,
        operation_id: str,
        source: str | Path | BinaryIO,
        target: str | Path | BinaryIO,
        *,
        progress: Progress | None = None,
        **values: Any,
    ) -> int:
        """As Client.transfer; files are read and written in worker threads."""
        _, prepared, _ = self._prepare(operation_id, values)
        count = _Count(progress)
        with _Source(source) as read, _Target(target) as written:
            try:
                async with self._http.stream(
                    prepared.method,
                    prepared.url,
                    content=_async_chunks(read, count) if prepared.content is None else prepared.content,
                    headers=self._headers(prepared),
                ) as answer:
                    if answer.status_code >= 400:
                        raise error_of(answer.status_code, answer.headers, await answer.aread())
                    count.answering = True
                    async for chunk in answer.aiter_bytes(CHUNK):
                        await asyncio.to_thread(written.write, chunk)
                        count.received_more(len(chunk))
            except httpx.TransportError as error:
                raise _broken(error, count) from error
        return count.received


class _Count:
    def __init__(self, progress: Progress | None) -> None:
        self.sent = self.received = 0
        self.answering = False
        self._progress = progress

    def sent_more(self, size: int) -> None:
        self.sent += size
        self._tell()

    def received_more(self, size: int) -> None:
        self.received += size
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self.sent, self.received)


class _Source:
    """Closes only what it opened."""

    def __init__(self, source: str | Path | BinaryIO) -> None:
        self._file: BinaryIO | None = None
        self._source = source

    def __enter__(self) -> BinaryIO:
        if isinstance(self._source, str | Path):
            self._file = open(self._source, "rb")
            return self._file
        return self._source

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


class _Target:
    """Writes beside the target and moves it there at the end, so that half an answer is never taken for a whole."""

    def __init__(self, target: str | Path | BinaryIO) -> None:
        self._target = target
        self._file: BinaryIO | None = None
        self._part: Path | None = None

    def __enter__(self) -> BinaryIO:
        if not isinstance(self._target, str | Path):
            return self._target
        path = Path(self._target)
        self._part = path.with_name(path.name + ".part")
        self._file = open(self._part, "wb")
        return self._file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._file is None or self._part is None:
            return
        if kind is None:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()
        if kind is None:
            self._part.replace(Path(self._target))  # type: ignore[arg-type]
        else:
            with suppress(FileNotFoundError):
                self._part.unlink()


def _chunks(source: BinaryIO, count: _Count) -> Iterator[bytes]:
    while chunk := source.read(CHUNK):
        count.sent_more(len(chunk))
        yield chunk


async def _async_chunks(source: BinaryIO, count: _Count) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(source.read, CHUNK):
        count.sent_more(len(chunk))
        yield chunk


def _was_sent(error: httpx.TransportError) -> bool:
    """Whether the platform may have seen the request."""
    return not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _broken(error: httpx.TransportError, count: _Count) -> ConnectionFailed | IncompleteAnswer:
    text = str(error) or type(error).__name__
    return IncompleteAnswer(text) if count.answering else ConnectionFailed(text)
