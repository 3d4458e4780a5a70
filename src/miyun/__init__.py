"""Miyun 密云: a commercial-cryptography (GM) cloud."""

__version__ = "0.1.0"
