"""Acting: plans made and run, evidence sealed, recovery checked. Only the engine calls this."""
