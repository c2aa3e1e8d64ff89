"""A Kubernetes for tests: an emulator of the API and its controllers on loopback, or a real cluster.

``cluster.py``, ``workloads.py`` and ``steering.py`` are what tests use; ``fixtures.py`` hands it to them. The rest is
the emulator: ``store`` keeps the objects, ``server`` speaks HTTP, ``controllers`` act on them as Kubernetes' own do.
"""
