"""More modes that ship: of streams, of knowledge bases, of a model's manners, and of trouble that comes, goes or grows."""

from __future__ import annotations

from agentlab_faults.catalogue.connections import ConnectionRefused, NameServerAway, UntrustedCertificate
from agentlab_faults.catalogue.lost_answers import ResetUnanswered
from agentlab_faults.catalogue.model_loops import RetriedByGateway, SameCallAgain, TokenBurn
from agentlab_faults.catalogue.modes import Mode, add_mode
from agentlab_faults.catalogue.rate_limits import RateLimited
from agentlab_faults.catalogue.retrieval import EmptyHits, KnowledgeBaseTimeout, PoisonedDocument
from agentlab_faults.catalogue.server_errors import Overloaded, ServiceUnavailable
from agentlab_faults.catalogue.stream_breaks import CutClean, ResetMidway, SlowFirstToken, StallMidway
from agentlab_faults.catalogue.tools import ToolUpstreamFails
from agentlab_faults.fault import Fault
from agentlab_faults.points import PointKind
from agentlab_faults.schedule import Burst, Injection, Ramp, Window


def _struck(
    fault: Fault,
    *,
    kind: PointKind = "llm",
    primary: bool = False,
    window: Window | None = None,
    every: int = 1,
    burst: Burst | None = None,
    ramp: Ramp | None = None,
) -> Injection:
    """The fault at every point of the kind, or (`primary`) at the first provider that the run called."""
    return Injection(
        fault=fault, kind=kind, primary=primary, shape="always", window=window or Window(), every=every, burst=burst, ramp=ramp
    )


add_mode(
    Mode(
        name="stream-cuts",
        summary="Every second stream, whichever provider's, is reset in the middle.",
        happens="A gateway with a limit on the time of a response, or one that is redeployed under load.",
        best="recoverable",
        why="The stream after a broken one is whole.",
        injections=(_struck(ResetMidway(), every=2),),
    )
)
add_mode(
    Mode(
        name="silent-stream-cuts",
        summary="Every second stream, whichever provider's, ends in the middle as if it were whole.",
        happens="A proxy that loses its upstream and ends the body properly.",
        best="recoverable",
        why="The mark of a whole answer is missing, and the stream after it has it.",
        injections=(_struck(CutClean(), every=2),),
    )
)
add_mode(
    Mode(
        name="slow-first-token",
        summary="The first provider answers every streamed request with headers, and with a first event only after a minute.",
        happens="A provider queues requests behind its load balancer at a peak.",
        best="needs_fallback",
        why="Each call waits a minute there, so another provider has to answer within what is left of the deadline.",
        injections=(_struck(SlowFirstToken(silence=60.0), primary=True),),
    )
)
add_mode(
    Mode(
        name="stalled-streams",
        summary="Every stream of the first provider falls silent in the middle.",
        happens="A model server hangs while it generates; its load balancer keeps the connection open.",
        best="needs_fallback",
        why="No waiting helps, so another provider has to answer within what is left of the deadline.",
        injections=(_struck(StallMidway(), primary=True),),
    )
)
add_mode(
    Mode(
        name="brownout-ramp",
        summary="A growing share of requests, to whichever provider, is answered 529: two fifths at first, seven tenths after a minute.",
        happens="A provider's load grows towards a peak, and it sheds more of it each minute.",
        best="recoverable",
        why="Even of seven in ten, no four in a row are refused.",
        injections=(_struck(Overloaded(), ramp=Ramp(0.4, 0.7, 60.0)),),
    )
)
add_mode(
    Mode(
        name="flapping-provider",
        summary="The first provider refuses connections in spells of about 2 s, with about 4 s between them.",
        happens="A health check that fails and recovers: a server is taken out of the load balancer and put back again and again.",
        best="recoverable",
        why="A spell is at most 3 s long, and three retries with backoff take longer.",
        injections=(_struck(ConnectionRefused(), primary=True, burst=Burst(on=2.0, off=4.0)),),
    )
)
add_mode(
    Mode(
        name="noisy-neighbour",
        summary="Every provider answers 429 in bursts of about 3 s, each time with Retry-After 2.",
        happens="Another user of the same account sends batches of requests.",
        best="recoverable",
        why="Who waits as told is past the burst after two or three tries.",
        injections=(_struck(RateLimited(retry_after=2.0), burst=Burst(on=3.0, off=6.0)),),
    )
)
add_mode(
    Mode(
        name="region-outage",
        summary="The first provider refuses connections for the whole run, and every second tool call fails in the service behind it.",
        happens="A cloud region is in trouble that both the provider and the tools' services live in.",
        best="needs_fallback",
        why="Another provider has to answer; the tools work when called again.",
        injections=(_struck(ConnectionRefused(), primary=True), _struck(ToolUpstreamFails(), kind="tool", every=2)),
    )
)
add_mode(
    Mode(
        name="rolling-deploy",
        summary="For the first 8 s every second request, to whichever provider, ends in a connection reset before its answer.",
        happens="A provider or one's own gateway is deployed, server by server.",
        best="recoverable",
        why="The request after a lost one meets another server.",
        injections=(_struck(ResetUnanswered(), every=2, window=Window(0.0, 8.0)),),
    )
)
add_mode(
    Mode(
        name="dns-trouble",
        summary="Every second connection fails because the name server does not answer.",
        happens="A resolver in the cluster is overloaded; OpenAI's outage of 11 December 2024 went the same way.",
        best="recoverable",
        why="The look-up after a failed one works.",
        injections=(_struck(NameServerAway(), every=2),),
    )
)
add_mode(
    Mode(
        name="expired-certificate",
        summary="The first provider's certificate is not trusted.",
        happens="A company's proxy changes its certificate, or somebody forgot to renew one.",
        best="needs_fallback",
        why="It stays so until somebody acts, and verification must not be turned off: another provider has to answer.",
        injections=(_struck(UntrustedCertificate(), primary=True),),
    )
)
add_mode(
    Mode(
        name="retry-amplification",
        summary="Every second request, to whichever provider, is answered 503 after a gateway has tried three times by itself.",
        happens="Gateway, SDK and agent each retry; nobody owns the retries.",
        best="recoverable",
        why="The next request passes; what is lost is time and money.",
        injections=(_struck(RetriedByGateway(), every=2),),
    )
)
add_mode(
    Mode(
        name="outage-then-storm",
        summary="The first provider answers 503 for 3 s, and then 429 for 6 s, with Retry-After 3.",
        happens="After an outage all clients come back at once, and the provider limits them.",
        best="recoverable",
        why="Both pass within a quarter of a minute; retries with backoff and as told get through.",
        injections=(
            _struck(ServiceUnavailable(retry_after=None), primary=True, window=Window(0.0, 3.0)),
            _struck(RateLimited(retry_after=3.0), primary=True, window=Window(3.0, 9.0)),
        ),
    )
)
add_mode(
    Mode(
        name="looping-model",
        summary="The first provider's model makes its last tool call again and again, and never comes to an end.",
        happens="The commonest failure of agents by MAST's count: the model does not see that its call was answered.",
        best="needs_fallback",
        why="It has to be stopped, and another model asked, before the run's deadline.",
        injections=(_struck(SameCallAgain(), primary=True),),
    )
)
add_mode(
    Mode(
        name="token-burn",
        summary="Every answer, of whichever provider, takes 8 000 tokens and 4 s of reasoning more.",
        happens="A model is replaced by one that reasons, under the same name.",
        best="recoverable",
        why="The answers are good; they only cost more.",
        injections=(_struck(TokenBurn()),),
    )
)
add_mode(
    Mode(
        name="poisoned-knowledge-base",
        summary="Every search of the knowledge base finds a document that gives the model an instruction.",
        happens="Anybody who may write into the corpus may write to the model.",
        best="recoverable",
        why="The true hits are all there; the instruction is data.",
        injections=(_struck(PoisonedDocument(), kind="tool"),),
    )
)
add_mode(
    Mode(
        name="knowledge-base-down",
        summary="Every second search of the knowledge base never answers, and the others find nothing.",
        happens="The vector store builds its index anew.",
        best="needs_fallback",
        why="Only another source knows, or that nothing was found has to be said.",
        injections=(_struck(KnowledgeBaseTimeout(), kind="tool", every=2), _struck(EmptyHits(), kind="tool")),
    )
)
