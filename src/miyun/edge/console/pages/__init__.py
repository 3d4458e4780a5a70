"""The console's pages. Each gathers by operations what its template shows; none knows SQL or another service."""
