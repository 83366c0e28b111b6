"""A fault of one's own: this company's gateway is maintained every night, and says so with status 200."""

from agentlab_faults import Exchange, Pause, Rate, Replaces, Row, register


@register(
    Row(
        id="gateway_maintenance",
        boundary="provider-http",
        family="wrong body",
        category="transient",
        scope="host",
        best={"once": "recoverable", "always": "needs_fallback"},
        why="The page is gone with the next try; while the maintenance lasts, only another way to a model helps.",
        happens="Every night between two and three, when the gateway is patched.",
        agent_should="Look at the content type before it trusts a 200; retry, then fail over.",
        rate=Rate(0.0005, "our gateway's log of October"),
    )
)
class GatewayMaintenance(Replaces):
    """The gateway answers 200 with a page that says when it will be back."""

    until: str = "03:00"

    def answer(self, request):
        del request  # every request fares alike
        page = f"<h1>Maintenance</h1><p>Back at {self.until}.</p>".encode()
        return Exchange(200, (("content-type", "text/html"),), (page,), (Pause(0.1),))
