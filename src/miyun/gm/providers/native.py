"""The providers inside the C extension (not built yet)."""

from miyun.gm.errors import ProviderUnavailable


class NativeProvider:
    def __init__(self, name: str) -> None:
        raise ProviderUnavailable("the C extension was not built")
