"""The six panes, and the lines above and below them."""
