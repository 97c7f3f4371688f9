"""`python -m tempo_invariant COMMAND`, the same as `tempo-invariant COMMAND`."""

from tempo_invariant import cli

if __name__ == "__main__":
    cli.main()
