"""How much of a unit's activity survives a known transformation (Jang et al., PAPERS §2)."""
