"""What was bought: contracts, their terms, entitlements, the instances they open, and what falls due.

An activated contract gives a tenant one instance of each offering it names. Nothing here suspends for late money; at
term end what a customer needs to leave (decrypt, verify, export) stays open until the exit is closed.
"""
