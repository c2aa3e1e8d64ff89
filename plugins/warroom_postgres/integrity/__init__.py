"""Whether the data holds: rules of the runbook, what the database itself declares, indexes, counts. It only reads."""
