"""Putting a database in the live one's place, going back, and what is kept beside: by OID, which no rename changes."""
