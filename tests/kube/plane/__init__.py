"""A real control plane for the tests: etcd, the API server, its controllers and scheduler, of Debian's sources.

Only the nodes are not real: ``kubelet.py`` stands in for them, as this machine has no images to run. The emulator of
``tests/kube`` is faster and can be steered; this says whether it, and the plugin, are right about the API.

    tests/kube/plane/build FOLDER                         # once, some minutes
    python -m tests.kube.plane FOLDER pytest tests/…      # starts it, runs the command, ends it
"""
