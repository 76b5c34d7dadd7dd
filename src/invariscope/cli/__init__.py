"""The command line: `invariscope COMMAND`; one file a command, each a thin layer over the API."""

from invariscope.cli.app import main

__all__ = ["main"]
