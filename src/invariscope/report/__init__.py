"""One self-contained HTML page about the runs in a folder."""
