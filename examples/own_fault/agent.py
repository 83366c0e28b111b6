"""A loop that looks at what it got: an answer that is no completion is asked for again."""

import time

from openai import OpenAI


def build():
    client = OpenAI()

    def agent(text):
        for tries in range(3):
            answer = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
            if getattr(answer, "choices", None):
                return answer.choices[0].message.content
            time.sleep(2**tries)
        return "I am sorry, I cannot reach a model now."

    return agent
