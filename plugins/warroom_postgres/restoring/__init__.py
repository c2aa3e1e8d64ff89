"""Restoring beside the live database, never into it."""
