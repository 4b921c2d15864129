"""`python -m mlwright` is the command `mlwright`."""

from mlwright.cli import main

if __name__ == "__main__":
    main()
