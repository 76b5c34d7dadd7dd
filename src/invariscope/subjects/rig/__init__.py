"""A rig as the other side: what is exchanged with it, two links, and it as a subject."""
