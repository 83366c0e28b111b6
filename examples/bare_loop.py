"""The tool loop that every tutorial shows. It works on a good day; this is what a bad one does to it:

agentlab test customer_support --agent examples/bare_loop.py:build
"""

import json
import sys

from openai import OpenAI


def lookup_order(id):
    return {"id": id, "total": 49.90, "status": "delivered", "address": "12 Elm Street"}


def refund(order, amount):
    return {"ok": True, "order": order, "refunded": amount}


def update_address(order, address):
    return {"ok": True, "order": order, "address": address}


def search_kb(query):
    return {"articles": ["Returns are free for 30 days after delivery."]}


TOOLS = {"lookup_order": lookup_order, "refund": refund, "update_address": update_address, "search_kb": search_kb}
ARGUMENTS = {
    "lookup_order": {"id": "string"},
    "refund": {"order": "string", "amount": "number"},
    "update_address": {"order": "string", "address": "string"},
    "search_kb": {"query": "string"},
}


def schema(name):
    properties = {argument: {"type": kind} for argument, kind in ARGUMENTS[name].items()}
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def build():
    client = OpenAI()
    messages = [{"role": "system", "content": "You are a customer-support agent. Use the tools."}]

    def agent(text):
        messages.append({"role": "user", "content": text})
        while True:
            answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[schema(name) for name in TOOLS])
            message = answer.choices[0].message
            messages.append(message)
            if not message.tool_calls:
                return message.content
            for call in message.tool_calls:
                result = TOOLS[call.function.name](**json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})

    return agent


if __name__ == "__main__":
    chat = build()
    lines = [] if sys.stdin.isatty() else sys.stdin.readlines()
    for line in lines or ["Refund order 5512, it arrived broken."]:
        print(chat(line))
