"""What the seams in frameworks have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["as_json", "put_seam"]


def put_seam(owner: Any, name: str, make: Callable[[Any], Callable[..., Any]]) -> bool:
    """Replace the owner's own attribute `name` by what `make` makes of it, unless that was done before or there is none.

    The new one looks like the old (`functools.wraps`), since frameworks read the signatures of their own methods.
    """
    original = vars(owner).get(name)
    if original is None or hasattr(original, "agentlab_seam"):
        return False
    seam: Any = functools.wraps(original)(make(original))
    seam.agentlab_seam = True
    setattr(owner, name, seam)
    return True


def as_json(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Validated arguments as the model wrote them: objects as JSON has them."""
    from pydantic_core import to_jsonable_python  # noqa: PLC0415 - who has a framework has it loaded; nobody else needs it

    found: dict[str, Any] = to_jsonable_python(dict(arguments), serialize_unknown=True)
    return found
