"""The `ablate` command as `python -m ablate`."""

from ablate.commands.cli import main

if __name__ == "__main__":
    main()
