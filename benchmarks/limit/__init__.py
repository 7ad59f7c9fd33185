"""How far the compiled model is from hand-written loops on the same work, and from what the machine can do."""
