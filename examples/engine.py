"""The engine alone: one agent, a script and two faults, with neither a suite nor pytest. It needs no key: the provider is played.

python examples/engine.py
"""

from agentlab_faults import FAULT_FREE, Clean, Injection, Pause, Played, Rate, Row, Schedule, Served, Setup, Spoils, Struck, Talk, play
from agentlab_faults.catalogue import select
from agentlab_faults.script import Say, ScriptSpec
from openai import OpenAI

PROMPT = "When are you open?"
SETUP = Setup(prompts=(PROMPT,), scripts=(ScriptSpec(turns=(Say("From nine to five."),)),))


class Dawdles(Spoils):
    """The answer comes after a minute of silence."""

    row = Row(
        id="own_dawdles",
        boundary="network",
        family="slow",
        category="transient",
        scope="call",
        best={"once": "recoverable"},
        why="Another try is answered at once.",
        happens="A cold replica.",
        agent_should="Time out before the user does.",
        rate=Rate(0.001, "our gateway's log"),
    )

    def spoil(self, served: Served):
        return served.exchange.after(Pause(60.0))


def build():
    client = OpenAI(timeout=20.0)

    def agent(text):
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
        return answer.choices[0].message.content

    return agent


def conversation(talk: Talk) -> None:
    agent = build()
    talk.turn(PROMPT)
    talk.reply(agent(PROMPT))


def under(*faults) -> Played:
    injections = tuple(Injection(fault=fault, at="openai.chat.1", attempt=n) for n, fault in enumerate(faults, 1))
    clean: Clean = play(conversation, SETUP, FAULT_FREE, seed=7).clean  # what the agent sees without a fault
    return play(conversation, SETUP, Schedule("both", injections), clean=clean, seed=7)


def told(strike: Struck) -> str:
    seen = "" if strike.changed else ", which changed nothing"
    return f"{strike.seconds:5.1f} s  {strike.fault} at {strike.point}, attempt {strike.attempt}{seen}"


if __name__ == "__main__":
    played = under(Dawdles(), select(["http_503"])[0]())
    for strike in played.strikes:
        print(told(strike))
    print(f"{played.seconds:5.1f} s  {played.replies or played.error!r}")
