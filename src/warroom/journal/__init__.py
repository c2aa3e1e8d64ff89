"""The journal: the one place that holds the truth.

``store`` appends, ``verify`` judges, ``folder`` finds, ``export`` and ``replay`` show.

One folder per incident, ``<state>/incidents/INC-0001``, or ``<state>/drills/incidents/DRILL-0001``, with these files:

- ``journal.db``: SQLite, one table of entries (seq, bytes, hash). Each hash covers the one before, so a chain;
- ``head``: seq and hash of the last acknowledged entry, twice in turn, so that a shortened journal is known as such;
- ``reserve``: room kept for the outcomes of what is under way when the disk fills up.
"""
