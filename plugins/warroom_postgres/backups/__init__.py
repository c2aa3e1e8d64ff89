"""Backups of a database: found, read right through, and judged. Nothing here changes one, or restores from one."""
