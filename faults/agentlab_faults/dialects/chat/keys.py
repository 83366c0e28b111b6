"""Which API keys the scripted provider takes, and how it refuses the others.

It has no list of keys, so every key passes that could be one. Refused are a header that is missing, blank or not `Bearer KEY`, a key with
blanks, control characters or letters outside of ASCII, and what a variable leaves behind that was never set or never put in: `None`,
`null`, `undefined`, `$NAME`, `${NAME}`, and a key in quotes. Azure takes its key in the header `api-key`, or a token as Bearer.
"""

from __future__ import annotations

import re

from agentlab_faults.dialects.chat.refused import Refused
from agentlab_faults.exchange import WireRequest

__all__ = ["check_key", "is_deployment"]

_KEY = re.compile(r"[\x21-\x7e]+")
_UNSET = re.compile(r"None|null|undefined|\$\w+|\$\{\w+\}")
_QUOTED = re.compile(r"([\"']).*\1")
_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: "
    "Bearer YOUR_KEY). You can obtain an API key from https://platform.openai.com/account/api-keys."
)
_BAD_KEY = "Incorrect API key provided: {}. You can find your API key at https://platform.openai.com/account/api-keys."
_AZURE = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and "
    "use a correct regional API endpoint for your resource."
)


def is_deployment(request: WireRequest) -> bool:
    """Whether the request goes to a deployment of Azure, whose path names the model."""
    return "/deployments/" in request.path


def check_key(request: WireRequest) -> None:
    """Raises Refused with status 401 if the key cannot be a real one. Only a word that stands for no key at all is told again."""
    if is_deployment(request) or request.host.endswith(".azure.com"):
        _check_azure(request)
        return
    authorization = request.headers.get("authorization", "")
    if not authorization.removeprefix("Bearer").strip():
        raise Refused(_NO_KEY, code="invalid_api_key", status=401)
    key = _bearer(authorization)
    if not _possible(key):
        told = key if _UNSET.fullmatch(key) else "***"
        raise Refused(_BAD_KEY.format(told), code="invalid_api_key", status=401)


def _check_azure(request: WireRequest) -> None:
    key = request.headers.get("api-key")
    if not _possible(key if key is not None else _bearer(request.headers.get("authorization", ""))):
        raise Refused(_AZURE, code="401", status=401, kind=None)


def _bearer(authorization: str) -> str:
    scheme, _, key = authorization.partition(" ")
    return key if scheme == "Bearer" else ""


def _possible(key: str) -> bool:
    return bool(_KEY.fullmatch(key)) and not _UNSET.fullmatch(key) and not _QUOTED.fullmatch(key)
