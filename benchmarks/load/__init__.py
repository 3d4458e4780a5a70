"""Load on a running platform: a cheap client, prepared requests, something bare to compare with."""
