"""Errors of the algorithms.

GmError
├── InvalidSignature      a signature or MAC does not verify (opaque: never says why)
├── DecryptionFailed      a ciphertext or its tag is wrong (opaque)
├── InvalidKey            a private or public key is malformed, out of range or off the curve
├── InvalidInput          a length, encoding or parameter is wrong; the message names it
├── ProviderUnavailable   the wanted provider is unknown or not usable on this machine
└── SelfTestFailed        a known-answer or pairwise test failed; `.name` says which
"""


class GmError(Exception):
    """Base of every error raised by `miyun.gm`."""


class InvalidSignature(GmError):
    """The signature or MAC does not verify. Says nothing about the reason."""

    def __init__(self) -> None:
        super().__init__("signature does not verify")


class DecryptionFailed(GmError):
    """The ciphertext does not decrypt. Says nothing about the reason."""

    def __init__(self) -> None:
        super().__init__("decryption failed")


class InvalidKey(GmError):
    """The key is malformed, out of range or not on the curve."""


class InvalidInput(GmError):
    """An argument has a wrong length, encoding or value."""


class ProviderUnavailable(GmError):
    """No such provider, or it cannot run on this machine."""


class SelfTestFailed(GmError):
    """A self-test failed; nothing of the provider may be used."""

    def __init__(self, name: str) -> None:
        super().__init__(f"self-test failed: {name}")
        self.name = name
