"""Let `python -m proxy` do what the command `noclobber` does."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
