"""How a server is reached: by its address or through a container, past a pooler, with programs that fit it."""
