"""Signed objects kept as evidence: with all that is needed to verify them, under time-stamps that are renewed."""
