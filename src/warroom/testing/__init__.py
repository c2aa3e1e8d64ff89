"""For tests of warroom and of plugins: a virtual clock, strict fakes, small builders, and the plugin conformance suite.

Plugin writers need ``warroom.testing.conformance``; nothing here needs pytest.
"""
