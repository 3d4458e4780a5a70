"""Whom a tenant trusts: lists of outside authorities, what is known of their revocations, and the verdict."""
