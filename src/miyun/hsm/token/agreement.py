"""Session keys that two tokens agree on (GM/T 0016, 7.6; the SM2 key exchange of GB/T 32918.3, without confirmation).

Both sides use their containers' encryption key pairs, as GM/T 0018 has it for cryptographic servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from miyun.gm import sm2, sm2_exchange
from miyun.gm.errors import GmError
from miyun.hsm.token.containers import check_session_algorithm, encryption_key
from miyun.hsm.token.frames import Function
from miyun.hsm.token.refusal import Refused
from miyun.hsm.token.session import Answer, OpenContainer, Session, serves
from miyun.hsm.token.symmetric import SessionKey
from miyun.hsm.token.vault import wipe
from miyun.wire.skf import Sar

_SESSION_KEY: Final = 16


@dataclass(slots=True, repr=False)
class Agreement:
    """What the side that began keeps until the other has answered."""

    container: OpenContainer
    algorithm: int
    user_id: bytes
    opening: sm2_exchange.Opening

    def wipe(self) -> None:
        self.opening.close()


@serves(Function.AGREEMENT_START)
def agreement_start(session: Session, handle: int, algorithm: int, user_id: bytes) -> Answer:
    container = session.held(handle, OpenContainer)
    wipe(encryption_key(session, container))  # that it could be finished at all
    check_session_algorithm(algorithm)
    _check_id(user_id)
    opening = sm2_exchange.Opening()
    return (opening.ephemeral[1:], session.give(Agreement(container, algorithm, user_id, opening)))


@serves(Function.AGREEMENT_ANSWER)
def agreement_answer(
    session: Session,
    handle: int,
    algorithm: int,
    point: bytes,
    ephemeral: bytes,
    user_id: bytes,
    peer_id: bytes,
) -> Answer:
    check_session_algorithm(algorithm)
    _check_id(user_id, peer_id)
    d = encryption_key(session, session.held(handle, OpenContainer))
    try:
        peer = sm2_exchange.Party(b"\4" + point, peer_id)
        side = sm2_exchange.Responder(d, user_id, peer, _SESSION_KEY)
        side.respond(b"\4" + ephemeral)
        agreed = bytearray(side.finish(None))
    except GmError:
        raise Refused(Sar.INDATAERR) from None
    finally:
        wipe(d)
    return (side.ephemeral[1:], session.give(SessionKey(algorithm, agreed)))


@serves(Function.AGREEMENT_FINISH)
def agreement_finish(session: Session, handle: int, point: bytes, ephemeral: bytes, peer_id: bytes) -> Answer:
    """Once: every agreement has an ephemeral key of its own, which is gone then."""
    agreement = session.held(handle, Agreement)
    if agreement.opening.closed:
        raise Refused(Sar.NOTINITIALIZEERR)
    _check_id(peer_id)
    d = encryption_key(session, agreement.container)
    try:
        peer = sm2_exchange.Party(b"\4" + point, peer_id)
        agreed = agreement.opening.finish(d, agreement.user_id, peer, b"\4" + ephemeral, _SESSION_KEY)
    except GmError:
        raise Refused(Sar.INDATAERR) from None
    finally:
        wipe(d)
    return (session.give(SessionKey(agreement.algorithm, bytearray(agreed))),)


def _check_id(*user_ids: bytes) -> None:
    if any(len(user_id) > sm2.MAX_ID for user_id in user_ids):
        raise Refused(Sar.INDATALENERR)
