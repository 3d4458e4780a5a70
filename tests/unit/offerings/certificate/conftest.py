from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.standin import HandClock, StandInLedger, StandInMachine, database_in

from miyun.gm import intl, sm2
from miyun.offerings.certificate.service import CertificateService
from miyun.offerings.certificate.store import CertificateStore
from miyun.wire import pem
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.name import Name
from miyun.wire.pkcs10 import CertificationRequestInfo
from miyun.wire.spki import sm2_spki


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ledger() -> StandInLedger:
    return StandInLedger()


@pytest.fixture
def machine() -> StandInMachine:
    return StandInMachine()


@pytest.fixture
def store(tmp_path: Path) -> CertificateStore:
    return CertificateStore(database_in(tmp_path))


@pytest.fixture
def service(
    store: CertificateStore, machine: StandInMachine, clock: HandClock, ledger: StandInLedger
) -> CertificateService:
    service = CertificateService(store=store, machine=machine, clock=clock, ledger=ledger)  # type: ignore[arg-type]
    asyncio.run(service.bootstrap())
    return service


@pytest.fixture
def sm2_csr() -> Callable[..., str]:
    def make(common_name: str = "应用一", organisation: str = "某局") -> str:
        secret = sm2.generate_private_key()
        info = CertificationRequestInfo(
            Name.of(("C", "CN"), ("O", organisation), ("CN", common_name)), sm2_spki(sm2.public_key(secret))
        )
        return pem.encode(
            pem.CERTIFICATE_REQUEST, info.sign(SignatureAlgorithm.SM2_SM3, lambda message: sm2.sign(secret, message))
        )

    return make


@pytest.fixture
def ecdsa_csr() -> str:
    secret = intl.ecdsa_p256_generate()
    info = CertificationRequestInfo(Name.of(("C", "CN"), ("CN", "app.example.cn")), intl.public_key(secret))
    return pem.encode(
        pem.CERTIFICATE_REQUEST,
        info.sign(SignatureAlgorithm.ECDSA_SHA256, lambda message: intl.ecdsa_p256_sign(secret, message)),
    )
