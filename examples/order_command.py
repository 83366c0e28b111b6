"""An agent for orders as a command: its argument is the prompt, what it prints is the answer.

agentlab test examples/order_command.suite.yaml
"""

import sys

from bare_loop import build
from openai import OpenAIError

try:
    print(build()(sys.argv[1]))
except OpenAIError as error:
    print(f"I'm sorry, I could not do that: {type(error).__name__}.")
