"""How OpenAI refuses an API key that cannot be one (`dialects.credentials`), or a header that is missing, blank or not `Bearer KEY`.

Azure takes its key in the header `api-key`, or a token as Bearer. And whose API a request goes to: OpenAI's own, or one that is
compatible with it.
"""

from __future__ import annotations

import re

from agentlab_faults.dialects.chat.refused import Refused
from agentlab_faults.dialects.credentials import bearer, is_unset, possible
from agentlab_faults.exchange import WireRequest

__all__ = ["check_key", "is_compatible", "is_deployment"]

_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: "
    "Bearer YOUR_KEY). You can obtain an API key from https://platform.openai.com/account/api-keys."
)
_BAD_KEY = "Incorrect API key provided: {}. You can find your API key at https://platform.openai.com/account/api-keys."
_AZURE = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and "
    "use a correct regional API endpoint for your resource."
)


_OPENAIS_HOST = re.compile(r"([\w-]+\.)*(openai\.com|azure\.(com|us|cn))")
_OPENAIS_MODEL = re.compile(r"(ft:)?(gpt-(?!oss)|o\d|chatgpt-|codex-|computer-use-|text-embedding-)")


def is_deployment(request: WireRequest) -> bool:
    """Whether the request goes to a deployment of Azure, whose path names the model."""
    return "/deployments/" in request.path


def is_compatible(request: WireRequest, model: str) -> bool:
    """Whether it goes to somebody else's API in OpenAI's form (vLLM, OpenRouter, DeepSeek, a gateway), which takes more parameters.

    On a socket of the lab's own the host says nothing, and the model's name decides.
    """
    if request.library == "socket":
        return not _OPENAIS_MODEL.match(model)
    return not _OPENAIS_HOST.fullmatch(request.host)


def check_key(request: WireRequest) -> None:
    """Raises Refused with status 401 if the key cannot be a real one. Only a word that stands for no key at all is told again."""
    if is_deployment(request) or request.host.endswith(".azure.com"):
        _check_azure(request)
        return
    authorization = request.headers.get("authorization", "")
    if not authorization.removeprefix("Bearer").strip():
        raise Refused(_NO_KEY, code="invalid_api_key", status=401)
    key = bearer(authorization)
    if not possible(key):
        told = key if is_unset(key) else "***"
        raise Refused(_BAD_KEY.format(told), code="invalid_api_key", status=401)


def _check_azure(request: WireRequest) -> None:
    key = request.headers.get("api-key")
    if not possible(key if key is not None else bearer(request.headers.get("authorization", ""))):
        raise Refused(_AZURE, code="401", status=401, kind=None)
