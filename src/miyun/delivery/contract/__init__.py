"""Reading a Chinese service contract: what it says, where it says so, and where it contradicts itself.

`checker.check(path)` is the one door; it needs no database and no running platform. What others need of a contract that
was read is in `model`, which needs none of the readers.
"""
