"""Text that an agent, a tool or a suite could say to break out of a page."""

from __future__ import annotations

from .build import cell, control, suite

__all__ = ["ATTACKS", "hostile_suite"]

ATTACKS = [
    "<script>window.hacked=1</script>",
    "</script><script>window.hacked=1</script>",
    "</style><script>window.hacked=1</script>",
    '"><img src=x onerror="window.hacked=1">',
    "' onmouseover='window.hacked=1' x='",
    "<svg onload=window.hacked=1>",
    "</title><script>window.hacked=1</script>",
    "<!--<script>window.hacked=1//-->",
    "</text></svg><iframe srcdoc='<script>parent.hacked=1</script>'></iframe>",
    "javascript:window.hacked=1",
    "{{ 7 * 7 }}{% raw %}",
    "${window.hacked=1}",
    "<a href='https://attacker.example/steal'>click</a>",
    "<link rel=stylesheet href=//attacker.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://attacker.example'>",
    "<base href='https://attacker.example/'>",
    "<template shadowrootmode=open><script>window.hacked=1</script></template>",
    "\u202egnp.exe\u0000\u2028<\u200bscript>",
    "<math><mi xlink:href='javascript:window.hacked=1'>x</mi></math>",
    "<details open ontoggle=window.hacked=1>",
]


def hostile_suite():  # type: ignore[no-untyped-def]  # the type is that of `suite`
    """A suite in which every text that could be said says an attack."""
    cells = [control()]
    for place, attack in enumerate(ATTACKS):
        cells.append(
            cell(
                f"fault{place}{attack}",
                "silent_wrong",
                scenario=f"scenario {attack}",
                why=attack,
                reply=attack,
                error=f"Error: {attack}",
                answered_by=attack,
                best_why=attack,
                replay=f"agentlab replay {attack}",
                findings=[{"code": attack, "severity": "error", "text": attack}],
                timeline=[
                    {"kind": "turn", "start": 0, "end": 0, "label": attack, "detail": attack},
                    {"kind": "llm", "start": 0, "end": 1, "label": attack, "status": attack, "detail": attack, "fault": attack},
                    {"kind": "tool", "start": 1, "end": 2, "label": attack, "detail": attack},
                    {"kind": "commit", "start": 2, "end": 2, "label": attack, "status": attack},
                    {"kind": "breaker", "start": 0, "end": 2, "label": attack, "status": attack},
                    {"kind": "reply", "start": 2, "end": 3, "label": attack, "detail": attack},
                ],
            )
        )
    return suite(cells, agent=ATTACKS[0], path=ATTACKS[1], python=ATTACKS[2], versions={ATTACKS[3]: ATTACKS[5]}, suite_hash=ATTACKS[4])
