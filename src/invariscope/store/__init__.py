"""Run directories: settings, journal, checkpoint, front."""
