"""`python -m invariscope`: the command line, where the environment's scripts are not on the path."""

from invariscope.cli import main

if __name__ == "__main__":
    main()
