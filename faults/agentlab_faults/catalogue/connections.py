"""Faults of the boundary network before a request is sent: nothing ran, nothing was billed, so trying again is always safe."""

from __future__ import annotations

import errno
import math
import socket
import ssl
from typing import ClassVar

from agentlab_faults.catalogue.rates import PASSES, RETRIED, STAYS, TRANSPORT, often
from agentlab_faults.exchange import Break, Exchange, Pause, TransportError, WireRequest
from agentlab_faults.fault import Replaces, Row, register

__all__ = [
    "ConnectTimeout",
    "ConnectionRefused",
    "NameNotFound",
    "NameServerAway",
    "PlainHttpPort",
    "PoolExhausted",
    "ProxyFails",
    "TlsReset",
    "UntrustedCertificate",
]


class _Unreachable(Replaces):
    """The connection fails `latency` virtual seconds after it was begun."""

    latency: float = 0.05
    error: ClassVar[TransportError] = "ConnectError"

    def reason(self) -> Exception:
        """What the socket or TLS library raised."""
        raise NotImplementedError

    def answer(self, request: WireRequest) -> Exchange:
        """No answer: the connection's error, with the text that the library takes from its cause."""
        del request  # every request fares alike
        reason = self.reason()
        return Exchange(before=(Pause(self.latency, "connect"), Break(self.error, str(reason), reason)))


@register(
    Row(
        id="net_conn_refused",
        boundary="network",
        family="connection",
        category="transient",
        scope="host",
        best=PASSES,
        why="Nothing was sent, so another try is free; while the host stays down only another host can answer.",
        happens="A provider's edge or a local gateway restarts, or a firewall rule closes the port.",
        agent_should="Retry with backoff inside the deadline, count it for the host's breaker, and move to another host.",
        **often(TRANSPORT, 0.1, harm=2),
    )
)
class ConnectionRefused(_Unreachable):
    """The host answers the connection attempt with a TCP reset."""

    def reason(self) -> Exception:
        return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


@register(
    Row(
        id="net_connect_timeout",
        boundary="network",
        family="timeout",
        category="transient",
        scope="host",
        best=PASSES,
        why="Connect timeouts are short (5 s in the SDK), so three of them and a good try fit into a minute.",
        happens="Packets to the host are dropped: a broken route, a full accept queue, a silent firewall.",
        agent_should="Keep the connect timeout short, retry with backoff inside the deadline, then fail over.",
        **often(TRANSPORT, 0.1, harm=2),
    )
)
class ConnectTimeout(Replaces):
    """The connection attempt is never answered."""

    silence: float = math.inf

    def answer(self, request: WireRequest) -> Exchange:
        del request  # every request fares alike
        return Exchange(before=(Pause(self.silence, "connect"),))


@register(
    Row(
        id="net_pool_timeout",
        boundary="network",
        family="timeout",
        category="transient",
        scope="host",
        best={"once": "recoverable", "always": "needs_fallback"},
        why="A connection comes free later; a pool that stays full leaves a client with its own pool.",
        happens="The agent's own process holds every connection of its pool: too many parallel calls, or streams never closed.",
        agent_should="Shed load and wait; it is not the provider's fault, so the provider's breaker must not count it.",
        **often(TRANSPORT, 0.03, harm=2),
    )
)
class PoolExhausted(Replaces):
    """No connection of the client's pool comes free."""

    silence: float = math.inf

    def answer(self, request: WireRequest) -> Exchange:
        del request  # every request fares alike
        return Exchange(before=(Pause(self.silence, "pool"),))


@register(
    Row(
        id="net_dns_nxdomain",
        boundary="network",
        family="name resolution",
        category="permanent",
        scope="host",
        best=RETRIED,
        why="One stale resolver is worth one retry; a name that stays unknown is a matter of configuration, or of another host.",
        happens="A typing error in a base URL, an expired domain, or a zone that was deployed broken.",
        agent_should="Try once more, then say which host name is unknown and fail over.",
        **often(TRANSPORT, 0.01, harm=2),
    )
)
class NameNotFound(_Unreachable):
    """The resolver says that the host's name does not exist."""

    def reason(self) -> Exception:
        return socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@register(
    Row(
        id="net_dns_temp_failure",
        boundary="network",
        family="name resolution",
        category="transient",
        scope="host",
        best=PASSES,
        why="The resolver comes back; nothing was sent.",
        happens="The cluster's DNS is overloaded, or caches run out during an outage of the provider's own DNS (OpenAI, 11 December 2024).",
        agent_should="Retry with backoff, then fail over.",
        **often(TRANSPORT, 0.05, harm=2),
    )
)
class NameServerAway(_Unreachable):
    """The resolver cannot say where the host is, for now."""

    def reason(self) -> Exception:
        return socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


@register(
    Row(
        id="net_tls_untrusted",
        boundary="network",
        family="tls",
        category="permanent",
        scope="host",
        best=STAYS,
        why="A certificate that is not trusted now will not be in a second; going on without checking it is never right.",
        happens="A company's TLS inspection is switched on, a CA bundle is missing in the image, or a certificate was deployed wrong.",
        agent_should="Never switch verification off; stop, raise an alarm, use another host. The SDK retries it, in vain.",
        **often(TRANSPORT, 0.01, harm=2),
    )
)
class UntrustedCertificate(_Unreachable):
    """The host shows a certificate that nobody trusted has signed."""

    def reason(self) -> Exception:
        text = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:989)"
        return ssl.SSLCertVerificationError(1, text)


@register(
    Row(
        id="net_tls_reset_in_handshake",
        boundary="network",
        family="tls",
        category="transient",
        scope="host",
        best=RETRIED,
        why="The request was not sent yet; the next handshake meets a healthier machine.",
        happens="A load balancer's node is drained, or runs out of memory, in the middle of the handshake.",
        agent_should="Retry with backoff.",
        **often(TRANSPORT, 0.01, harm=1),
    )
)
class TlsReset(_Unreachable):
    """The connection is reset in the middle of the TLS handshake."""

    def reason(self) -> Exception:
        return ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


@register(
    Row(
        id="net_tls_plain_http_port",
        boundary="network",
        family="tls",
        category="permanent",
        scope="host",
        best=RETRIED,
        why="It cannot be told from a slow network by its class, so one retry is fair; after that only another host can answer.",
        happens="A base URL says https but names a port that speaks plain HTTP, often a sidecar or a development server.",
        agent_should="Look at the text as well as the class, and say that the port does not speak TLS.",
        **often(TRANSPORT, 0.002, harm=2),
    )
)
class PlainHttpPort(Replaces):
    """The port does not speak TLS, so that the handshake lasts until the client's connect timeout."""

    def answer(self, request: WireRequest) -> Exchange:
        patience = request.timeouts.connect
        if patience is None:
            return Exchange(before=(Pause(math.inf, "connect"),))
        reason = TimeoutError("_ssl.c:989: The handshake operation timed out")
        return Exchange(before=(Pause(patience, "connect"), Break("ConnectTimeout", str(reason), reason)))


@register(
    Row(
        id="net_proxy_error",
        boundary="network",
        family="proxy",
        category="transient",
        scope="host",
        best=RETRIED,
        why="A proxy's 502 passes like any other; one that stays needs a way round it.",
        happens="The company's forward proxy is overloaded or cannot reach the provider.",
        agent_should="Retry once, then treat it as configuration; the provider is not to blame.",
        **often(TRANSPORT, 0.02, harm=1),
    )
)
class ProxyFails(Replaces):
    """The proxy refuses to open a tunnel to the host."""

    latency: float = 0.2
    reply: str = "502 Bad Gateway"

    def answer(self, request: WireRequest) -> Exchange:
        del request  # every request fares alike
        return Exchange(before=(Pause(self.latency, "connect"), Break("ProxyError", self.reply)))
