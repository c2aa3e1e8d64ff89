"""How a cluster is reached: whom kubectl would talk to and as whom, and each question in the command log."""
