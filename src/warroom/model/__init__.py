"""Frozen facts that all layers speak. Nothing here does anything: no clock, no file, no network."""
