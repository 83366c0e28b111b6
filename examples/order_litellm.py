"""An agent for orders: a bare loop over litellm."""

import json

import litellm


def lookup_order(id):
    return {"id": id, "total": 49.90, "status": "delivered"}


def refund(order, amount):
    return {"ok": True, "order": order, "refunded": amount}


TOOLS = {"lookup_order": (lookup_order, {"id": "string"}), "refund": (refund, {"order": "string", "amount": "number"})}


def schema(name):
    properties = {argument: {"type": kind} for argument, kind in TOOLS[name][1].items()}
    return {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": properties, "required": list(properties)}},
    }


def build():
    messages = [{"role": "system", "content": "You help customers with their orders."}]

    def agent(text):
        messages.append({"role": "user", "content": text})
        while True:
            answer = litellm.completion("openai/gpt-4o-mini", messages, tools=[schema(name) for name in TOOLS], num_retries=2)
            message = answer.choices[0].message
            messages.append(message.model_dump(exclude_none=True))
            if not message.tool_calls:
                return message.content
            for call in message.tool_calls:
                result = TOOLS[call.function.name][0](**json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})

    return agent
