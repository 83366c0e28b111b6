"""Faults of other packages: whoever names a module under the entry point `agentlab.faults` has it imported with the catalogue."""

from __future__ import annotations

from importlib.metadata import entry_points

__all__ = ["GROUP", "BadPackage", "load_packages"]

GROUP = "agentlab.faults"


class BadPackage(ImportError):  # noqa: N818 - named for the thing, as UnknownFault is
    """An installed package offers faults and they cannot be had. Its `name` is the entry point's."""


def load_packages() -> None:
    """Import what the installed packages name; each module registers its faults. Raises BadPackage with the package's name."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        try:
            point.load()
        except Exception as error:
            package = point.dist.name if point.dist is not None else point.value
            sentence = f"{package} offers faults in {point.value}, which cannot be imported ({error}); mend or uninstall it."
            raise BadPackage(sentence, name=GROUP) from error
