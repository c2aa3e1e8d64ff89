"""The requests that change something: how each is guarded, and how it is sent."""
