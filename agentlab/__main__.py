"""The way in: the `agentlab` command, and `python -m agentlab`. Ctrl-C is as quiet while the front door is loaded as it is later."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with the command's code."""
    try:
        from agentlab import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
