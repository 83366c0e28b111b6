"""An agent that remembers its customers in Redis, and still answers when it cannot:

agentlab test examples/redis_memory.suite.yaml
"""

import os

from openai import OpenAI
from redis import Redis, RedisError, ResponseError
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

SORRY = "I'm sorry, I cannot see our earlier conversations right now. "


def build():
    client = OpenAI()
    url = os.environ.get("REDIS_URL", "redis://localhost:6379")
    retry = Retry(ExponentialBackoff(cap=1, base=0.1), 3)
    memory = Redis.from_url(url, decode_responses=True, socket_timeout=1, retry=retry, retry_on_error=[ResponseError])

    def agent(text, history=()):
        try:
            name = memory.get("customer:7:name")
            lines = memory.lrange("customer:7:lines", -10, -1)
        except RedisError:
            name, lines = None, None
        messages = [{"role": "system", "content": "You help customers of a shop."}]
        messages += [{"role": "user", "content": line} for line in lines or ()]
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=[*messages, {"role": "user", "content": text}])
        said = answer.choices[0].message.content
        try:
            memory.rpush("customer:7:lines", text)
        except RedisError:
            return SORRY + said
        return SORRY + said if lines is None else f"{name}, {said}" if name else said

    return agent


if __name__ == "__main__":
    print(build()("When are you open?"))
