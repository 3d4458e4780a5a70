"""Data for the tests of widths."""

SPREAD = bytes((i * i >> 4 ^ 37 * i) & 255 for i in range(3200))
"""Data long enough for every width that a kernel has, and for what is left over behind it"""
