"""The console: the only place that imports Textual. ``app.WarroomConsole`` is all that others need.

This package itself imports nothing: the screen is heavy, and loaded where there is one.
"""
