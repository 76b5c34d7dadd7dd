"""A rig as the other side: messages, two links, and the rig as a subject."""
