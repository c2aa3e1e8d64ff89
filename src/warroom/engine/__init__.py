"""The engine: the only writer of the journal, the only caller of plugins, owner of every task that stays."""
