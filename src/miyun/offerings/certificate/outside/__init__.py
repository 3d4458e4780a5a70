"""The room as registration authority (RA) of a licensed CA outside: requests go out, certificates come in."""
