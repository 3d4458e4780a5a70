"""Certificates that near their end: who they are, and a reminder of each in time."""
