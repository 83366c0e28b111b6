"""An agent for orders: a bare loop over litellm."""

import json

import litellm


def lookup_order(id):
    return {"id": id, "total": 49.90, "status": "delivered"}


def refund(order, amount):
    return {"ok": True, "order": order, "refunded": amount}


def schema(name, **arguments):
    properties = {argument: {"type": kind} for argument, kind in arguments.items()}
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}}


def build():
    tools = [schema("lookup_order", id="string"), schema("refund", order="string", amount="number")]
    messages = []

    def agent(text):
        messages.append({"role": "user", "content": text})
        while True:
            message = litellm.completion("openai/gpt-4o-mini", messages, tools=tools, num_retries=2).choices[0].message
            messages.append(message.model_dump(exclude_none=True))
            if not message.tool_calls:
                return message.content
            for call in message.tool_calls:
                tool = {"lookup_order": lookup_order, "refund": refund}[call.function.name]
                result = tool(**json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})

    return agent
