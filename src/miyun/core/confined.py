"""The process in which files of strangers are read, see `miyun.core.confinement`."""

from __future__ import annotations

import importlib
import logging
import os
import resource
import signal
import sys
import traceback
import types
import typing
from collections.abc import Callable
from typing import IO, Any, Final

import msgspec

from miyun.core.confinement import FAILED, TOO_COSTLY, Answer, Refused, receive, send

_NO_MEMORY: Final = 3  # exit status
_SIGNALLED: Final = 128
_NOTHING: Final = msgspec.Raw(b"\xc0")


def _serve(seconds: int, memory: int) -> None:
    """Until the other side closes. What is printed goes to standard error, since answers have standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)  # parsers quote files in what they log
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while (asked := receive(sys.stdin.buffer)) is not None:
        name, arguments = msgspec.msgpack.decode(asked, type=tuple[str, msgspec.Raw])
        function = _function(name)  # before the fork: the next has it too
        if (child := os.fork()) == 0:
            os._exit(_read(function, arguments, answers, seconds, memory))
        if ended := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            if ended < 0 and ended != -signal.SIGXCPU:
                sys.exit(_SIGNALLED - ended)  # it may have said half of an answer, which is nobody else's beginning
            costly = ended in (-signal.SIGXCPU, _NO_MEMORY)
            answer = Answer(TOO_COSTLY, "", _NOTHING) if costly else Answer(FAILED, f"ended with {ended}", _NOTHING)
            send(answers, msgspec.msgpack.encode(answer))


def _read(function: Callable[..., Any], arguments: msgspec.Raw, answers: IO[bytes], seconds: int, memory: int) -> int:
    """The exit status. Either it answers, or the status is not 0."""
    for limit, most in (
        (resource.RLIMIT_CPU, seconds),  # a fork's own time begins at nothing
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        resource.setrlimit(limit, (most, resource.RLIM_INFINITY))
    hints = typing.get_type_hints(function)
    del hints["return"]
    parameters = types.GenericAlias(tuple, tuple(hints.values()))
    try:
        value = function(*msgspec.msgpack.decode(arguments, type=parameters))
        encoded = msgspec.msgpack.encode(Answer("", "", msgspec.Raw(msgspec.msgpack.encode(value))))
    except Refused as refused:
        encoded = msgspec.msgpack.encode(Answer(refused.code, refused.detail, _NOTHING))
    except MemoryError:
        return _NO_MEMORY
    except Exception as error:  # without its text, which may quote the file
        place = traceback.extract_tb(error.__traceback__)[-1]
        told = f"{type(error).__name__} in {place.filename}:{place.lineno}"
        encoded = msgspec.msgpack.encode(Answer(FAILED, told, _NOTHING))
    resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))  # no half of an answer
    send(answers, encoded)
    return 0


def _function(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
