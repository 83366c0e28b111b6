"""An agent for orders: a bare loop over litellm."""

import json

import litellm
from pydantic import TypeAdapter


def lookup_order(id: str):
    return {"id": id, "total": 49.90, "status": "delivered"}


def refund(order: str, amount: float):
    return {"ok": True, "order": order, "refunded": amount}


TOOLS = {"lookup_order": lookup_order, "refund": refund}
SCHEMAS = [{"type": "function", "function": {"name": name, "parameters": TypeAdapter(TOOLS[name]).json_schema()}} for name in TOOLS]


def agent(text, history=()):
    messages = [*history, {"role": "user", "content": text}]
    while messages[-1]["role"] != "assistant":  # which has the last word
        message = litellm.completion("openai/gpt-4o-mini", messages, tools=SCHEMAS, num_retries=2).choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls or []:
            result = TOOLS[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
    return message.content


def build():
    return agent
