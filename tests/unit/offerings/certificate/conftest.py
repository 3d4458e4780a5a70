from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.rooms import Rooms, rooms_in
from tests.standin import HandClock, StandInMachine, database_in

from miyun.gm import intl, sm2
from miyun.offerings.certificate.service import CertificateService
from miyun.offerings.certificate.store import CertificateStore
from miyun.wire import pem
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.name import Name
from miyun.wire.pkcs10 import CertificationRequestInfo
from miyun.wire.spki import sm2_spki


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return rooms_in(tmp_path)


@pytest.fixture
def clock(rooms: Rooms) -> HandClock:
    return rooms.clock


@pytest.fixture
def machine(rooms: Rooms) -> StandInMachine:
    return rooms.machine


@pytest.fixture
def service(rooms: Rooms) -> CertificateService:
    return rooms.certificate


@pytest.fixture
def store(rooms: Rooms) -> CertificateStore:
    return CertificateStore(rooms.database)


@pytest.fixture
def empty_store(tmp_path: Path) -> CertificateStore:
    folder = tmp_path / "empty"
    folder.mkdir()
    return CertificateStore(database_in(folder))


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
