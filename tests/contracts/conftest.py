"""What can be collected where: each client's file needs that client. `.ci/each-client` names the files, so that none is left out there."""

from __future__ import annotations

import importlib.util

NEEDED = {
    "test_anthropic.py": ("anthropic",),
    "test_botocore.py": ("anthropic", "boto3"),
    "test_genai.py": ("google.genai", "aiohttp"),
    "test_litellm.py": ("litellm",),
    "test_mcp.py": ("mcp",),
    "test_play.py": ("aiohttp", "google.auth", "requests"),
    "test_recognition.py": ("anthropic", "google.genai"),
}


def is_there(name: str) -> bool:
    """Whether a module can be imported; a dotted name's package may be missing too."""
    package = name.partition(".")[0]
    return importlib.util.find_spec(package) is not None and (package == name or importlib.util.find_spec(name) is not None)


collect_ignore = [file for file, modules in NEEDED.items() if not all(map(is_there, modules))]
