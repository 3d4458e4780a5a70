"""Device, access control, applications and files (GM/T 0016, 7.1 to 7.4)."""

from __future__ import annotations

import logging
from hmac import compare_digest
from typing import Final

from miyun.gm import rand, sm4
from miyun.hsm.token.frames import Function
from miyun.hsm.token.refusal import Refused
from miyun.hsm.token.session import Answer, OpenApplication, Session, serves
from miyun.hsm.token.state import Application, File
from miyun.hsm.token.vault import check_pin, wipe
from miyun.wire.errors import DecodeError
from miyun.wire.skf import MAX_APPLICATION_NAME, MAX_FILE_NAME, MAX_LABEL, PinType, Right, Sar
from miyun.wire.skf_unlock import CommandCode, parse_command

log = logging.getLogger("miyun.hsm.token")

TOTAL_SPACE: Final = 512 * 1024  # octets of all files
MAX_APPLICATIONS: Final = 16
MAX_FILES: Final = 64
MAX_RANDOM: Final = 64 * 1024
_CHALLENGE: Final = range(8, 17)  # octets of a random number that authenticates: a short one would come again
_RIGHTS: Final = {PinType.ADMIN: Right.ADMIN, PinType.USER: Right.USER}


@serves(Function.SET_LABEL)
def set_label(session: Session, label: str) -> Answer:
    if not 1 <= len(label.encode()) < MAX_LABEL:
        raise Refused(Sar.INVALIDPARAMERR)
    session.vault.state.label = label
    session.vault.save()
    return ()


@serves(Function.GET_DEV_INFO)
def get_dev_info(session: Session) -> Answer:
    state = session.vault.state
    return (state.label, state.serial, TOTAL_SPACE, TOTAL_SPACE - _used(session))


@serves(Function.TRANSMIT)
def transmit(session: Session, command: bytes) -> Answer:
    """Our own commands; a token of another maker has others."""
    try:
        given = parse_command(command)
    except DecodeError:
        raise Refused(Sar.INDATAERR) from None
    application = session.vault.state.applications.get(given.application)
    if application is None:
        raise Refused(Sar.APPLICATION_NOT_EXISTS)
    if given.code is CommandCode.CHALLENGE:
        return (session.unlocking.challenge(given.application, application),)
    session.unlocking.unlock(application, given.response, given.new_pin)
    log.info("the user's PIN of %s was unlocked from afar", given.application)
    return (b"",)


@serves(Function.GEN_RANDOM)
def gen_random(session: Session, size: int) -> Answer:
    if not 1 <= size <= MAX_RANDOM:
        raise Refused(Sar.INVALIDPARAMERR)
    drawn = rand.token(size)
    session.challenge = drawn if size in _CHALLENGE else None
    return (drawn,)


# --- device authentication -------------------------------------------------------------------------------------------


@serves(Function.DEV_AUTH)
def dev_auth(session: Session, data: bytes) -> Answer:
    """The last random number, filled with zeros to a block, enciphered with the device authentication key."""
    challenge, session.challenge = session.challenge, None
    if challenge is None:
        raise Refused(Sar.NOTINITIALIZEERR)
    key = session.vault.authentication_key()
    expected = sm4.encrypt_ecb(key, challenge.ljust(sm4.BLOCK_SIZE, b"\0"))
    wipe(key)
    if not compare_digest(expected, data):
        log.warning("a device authentication failed")
        raise Refused(Sar.FAIL)
    session.authenticated = True
    return ()


@serves(Function.CHANGE_DEV_AUTH_KEY)
def change_dev_auth_key(session: Session, key: bytes) -> Answer:
    session.require_device()
    if len(key) != sm4.BLOCK_SIZE:
        raise Refused(Sar.INDATALENERR)
    session.vault.set_authentication_key(key)
    return ()


# --- PINs ------------------------------------------------------------------------------------------------------------


@serves(Function.GET_PIN_INFO)
def get_pin_info(session: Session, handle: int, kind: int) -> Answer:
    application, of = session.application(handle), _kind(kind)
    held = application.user if of is PinType.USER else application.administrator
    return (held.maximum, held.remaining, int(held.factory))


@serves(Function.VERIFY_PIN)
def verify_pin(session: Session, handle: int, kind: int, pin: bytes) -> Answer:
    application, of = session.application(handle), _kind(kind)
    session.log_in(application, _RIGHTS[of], _opened(session, application, of, pin))
    return ()


@serves(Function.CHANGE_PIN)
def change_pin(session: Session, handle: int, kind: int, old: bytes, new: bytes) -> Answer:
    application, of = session.application(handle), _kind(kind)
    check_pin(new)
    key = _opened(session, application, of, old)
    session.vault.set_pin(application, of, new, key)
    wipe(key)
    return ()


@serves(Function.UNBLOCK_PIN)
def unblock_pin(session: Session, handle: int, administrator: bytes, new: bytes) -> Answer:
    application = session.application(handle)
    check_pin(new)
    key = _opened(session, application, PinType.ADMIN, administrator)
    session.vault.set_pin(application, PinType.USER, new, key)
    wipe(key)
    return ()


@serves(Function.CLEAR_SECURE_STATE)
def clear_secure_state(session: Session, handle: int) -> Answer:
    session.log_out(session.application(handle))
    return ()


def _opened(session: Session, application: Application, kind: PinType, pin: bytes) -> bytearray:
    try:
        return session.vault.open(application, kind, pin)
    except Refused as refused:
        log.warning("the PIN %s was refused: %s, %s tries left", kind.name, refused.code.name, *refused.fields)
        raise


def _kind(value: int) -> PinType:
    try:
        return PinType(value)
    except ValueError:
        raise Refused(Sar.USER_TYPE_INVALID) from None


# --- applications ----------------------------------------------------------------------------------------------------


@serves(Function.CREATE_APPLICATION)
def create_application(
    session: Session, name: str, administrator: bytes, tries: int, user: bytes, user_tries: int, file_right: int
) -> Answer:
    session.require_device()
    applications = session.vault.state.applications
    if not 1 <= len(name.encode()) <= MAX_APPLICATION_NAME:
        raise Refused(Sar.APPLICATION_NAME_INVALID)
    if name in applications:
        raise Refused(Sar.APPLICATION_EXISTS)
    if len(applications) >= MAX_APPLICATIONS:
        raise Refused(Sar.NO_ROOM)
    _check_right(file_right)
    identity, admin_pin, user_pin = session.vault.new_pins((administrator, tries), (user, user_tries))
    applications[name] = Application(
        identity=identity, create_file_right=file_right, administrator=admin_pin, user=user_pin
    )
    session.vault.save()
    return (session.give(OpenApplication(name, identity)),)


@serves(Function.ENUM_APPLICATION)
def enum_application(session: Session) -> Answer:
    return tuple(session.vault.state.applications)


@serves(Function.DELETE_APPLICATION)
def delete_application(session: Session, name: str) -> Answer:
    session.require_device()
    gone = session.vault.state.applications.pop(name, None)
    if gone is None:
        raise Refused(Sar.APPLICATION_NOT_EXISTS)
    session.vault.save()
    session.log_out(gone)
    return ()


@serves(Function.OPEN_APPLICATION)
def open_application(session: Session, name: str) -> Answer:
    application = session.vault.state.applications.get(name)
    if application is None:
        raise Refused(Sar.APPLICATION_NOT_EXISTS)
    return (session.give(OpenApplication(name, application.identity)),)


@serves(Function.CLOSE_HANDLE)
def close_handle(session: Session, handle: int) -> Answer:
    session.drop(handle)
    return ()


# --- files -----------------------------------------------------------------------------------------------------------


@serves(Function.CREATE_FILE)
def create_file(session: Session, handle: int, name: str, size: int, read: int, write: int) -> Answer:
    application = session.application(handle)
    session.require(application, application.create_file_right)
    if not 1 <= len(name.encode()) <= MAX_FILE_NAME:
        raise Refused(Sar.NAMELENERR)
    if name in application.files:
        raise Refused(Sar.FILE_ALREADY_EXIST)
    if not size or len(application.files) >= MAX_FILES or size > TOTAL_SPACE - _used(session):
        raise Refused(Sar.NO_ROOM)
    _check_right(read)
    _check_right(write)
    application.files[name] = File(size=size, read_right=read, write_right=write)
    session.vault.save()
    return ()


@serves(Function.DELETE_FILE)
def delete_file(session: Session, handle: int, name: str) -> Answer:
    application, _ = _file(session, handle, name)
    session.require(application, application.create_file_right)
    del application.files[name]
    session.vault.save()
    return ()


@serves(Function.ENUM_FILES)
def enum_files(session: Session, handle: int) -> Answer:
    return tuple(session.application(handle).files)


@serves(Function.GET_FILE_INFO)
def get_file_info(session: Session, handle: int, name: str) -> Answer:
    _, file = _file(session, handle, name)
    return (file.size, file.read_right, file.write_right)


@serves(Function.READ_FILE)
def read_file(session: Session, handle: int, name: str, offset: int, size: int) -> Answer:
    application, file = _file(session, handle, name)
    session.require(application, file.read_right)
    if offset >= file.size:
        raise Refused(Sar.INVALIDPARAMERR)
    return (_content(session, application, name, file)[offset : offset + size],)


@serves(Function.WRITE_FILE)
def write_file(session: Session, handle: int, name: str, offset: int, data: bytes) -> Answer:
    """Where only some may read, writing needs one of them logged in besides: the content lies under their key."""
    application, file = _file(session, handle, name)
    session.require(application, file.write_right)
    if offset + len(data) > file.size:
        raise Refused(Sar.INDATALENERR)
    content = bytearray(_content(session, application, name, file))
    content[offset : offset + len(data)] = data
    if file.read_right == Right.ANYONE:
        file.content = bytes(content)
    else:
        key = session.key(application, Right.ADMIN | Right.USER)
        file.content = session.vault.wrap_content(key, _place(application, name), bytes(content))
    session.vault.save()
    return ()


def _content(session: Session, application: Application, name: str, file: File) -> bytes:
    if not file.content:
        return bytes(file.size)
    if file.read_right == Right.ANYONE:
        return file.content
    key = session.key(application, Right.ADMIN | Right.USER)
    return session.vault.unwrap_content(key, _place(application, name), file.content)


def _place(application: Application, name: str) -> bytes:
    return application.identity + b"file" + name.encode()


def _file(session: Session, handle: int, name: str) -> tuple[Application, File]:
    application = session.application(handle)
    file = application.files.get(name)
    if file is None:
        raise Refused(Sar.FILE_NOT_EXIST)
    return application, file


def _check_right(right: int) -> None:
    if right != Right.ANYONE and right & ~(Right.ADMIN | Right.USER):
        raise Refused(Sar.INVALIDPARAMERR)


def _used(session: Session) -> int:
    return sum(file.size for held in session.vault.state.applications.values() for file in held.files.values())
