"""What every self-test says of an answer: right or wrong."""

from collections.abc import Callable

from miyun.gm.errors import GmError


def octets(text: str) -> bytes:
    """The bytes of a hexadecimal text; blanks do not count."""
    return bytes.fromhex(text.replace(" ", ""))


def same(got: object, expected: object) -> None:
    """ValueError unless they are equal."""
    if got != expected:
        raise ValueError("wrong answer")


def refused(error: type[GmError], attempt: Callable[[], object]) -> None:
    """ValueError unless the attempt raises that error."""
    try:
        attempt()
    except error:
        return
    raise ValueError("accepted what is wrong")
