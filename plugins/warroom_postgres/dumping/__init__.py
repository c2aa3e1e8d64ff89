"""A dump as evidence: of one moment, its rows counted in that same moment, read through before it counts as one."""
