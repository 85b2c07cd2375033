"""``python -m neurohw``."""

from neurohw.cli import main

if __name__ == "__main__":
    main()
