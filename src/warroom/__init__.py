"""warroom: a terminal war room, from the alert to a verified rollback and its report."""

__version__ = "0.1.0"
