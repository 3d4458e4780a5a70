"""Requests and answers of onboarding."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from miyun.core.operation import Struct
from miyun.offerings.onboarding.model import Check, Step

Name = Annotated[str, Meta(min_length=1, max_length=64)]


class Start(Struct):
    """`services`: offering slugs the tenant has bought; empty takes all that applications can call."""

    name: Name
    services: tuple[str, ...] = ()


class ApplicationRef(Struct):
    application: str


class AddService(Struct):
    application: str
    service: str


class StepView(Struct):
    binding: str
    service: str
    operation: str
    method: str
    path: str
    request: dict[str, Any]
    command: str
    credential_file: str
    credential: str | None

    @staticmethod
    def of(step: Step) -> StepView:
        return StepView(
            binding=step.binding,
            service=step.offering,
            operation=step.operation,
            method=step.method,
            path=step.path,
            request=dict(step.request),
            command=step.command,
            credential_file=step.credential_file,
            credential=step.credential,
        )


class Started(Struct):
    """`secret_key` and each step's `credential` are shown once and stored nowhere."""

    application: str
    name: str
    access_key: str
    secret_key: str
    steps: list[StepView]


class Guide(Struct):
    application: str
    name: str
    steps: list[StepView]


class CheckView(Struct):
    binding: str
    service: str
    result: str
    operation: str
    code: str
    seq: int | None
    at: datetime

    @staticmethod
    def of(check: Check) -> CheckView:
        return CheckView(
            binding=check.binding,
            service=check.offering,
            result=check.result,
            operation=check.operation,
            code=check.code,
            seq=check.seq,
            at=check.at,
        )


class CheckList(Struct):
    application: str
    passed: bool
    items: list[CheckView]


class Nothing(Struct):
    pass


class Count(Struct):
    """`counted` = Σ applications × services. More than `bought` is a finding for both parties, never a bill."""

    counted: int
    bought: int
    over: int
    note: str
