"""`python -m miyun.gm.providers`: which provider of GM algorithms serves here, and why the others do not."""

from miyun.gm.errors import ProviderUnavailable

from . import NAMES, named, provider


def main() -> None:
    print(f"GM provider: {provider().name}")  # noqa: T201
    for name in NAMES:
        try:
            named(name)
        except ProviderUnavailable as why:
            print(f"  {why}")  # noqa: T201


if __name__ == "__main__":
    main()
