"""`agentlab schema`: the JSON schema of suite files, for editors."""

from __future__ import annotations

from agentlab.commands.console import print_json

__all__ = ["schema"]


def schema() -> None:
    """Print the JSON schema of suite files, so that an editor can complete and check them.

    \b
    Example:
      agentlab schema > suite.schema.json
      # yaml-language-server: $schema=suite.schema.json        the first line of a suite
    """
    from agentlab_suites.schema import suite_schema

    print_json(suite_schema())
