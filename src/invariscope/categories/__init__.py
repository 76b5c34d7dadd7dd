"""Networks that see only some categories transformed in training (Jang et al., PAPERS §2)."""
