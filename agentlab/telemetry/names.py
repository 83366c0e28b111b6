"""Every name that the telemetry uses: the GenAI conventions' and our own, pinned here and nowhere else.

The conventions moved out of the OpenTelemetry package and are still in development, so the strings are ours to keep. They are those of
open-telemetry/semantic-conventions-genai at commit 004902b (2026); `tests/agentlab/genai_conventions.json` has the facts that the tests
check ours against. Names that begin with `agentlab.` are our own.
"""

from __future__ import annotations

from typing import Final

# attributes of the conventions
AGENT_NAME: Final = "gen_ai.agent.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
ERROR_TYPE: Final = "error.type"
EVALUATION_NAME: Final = "gen_ai.evaluation.name"
EVALUATION_SCORE: Final = "gen_ai.evaluation.score.value"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OPERATION: Final = "gen_ai.operation.name"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105  # a name, no secret
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_DESCRIPTION: Final = "gen_ai.tool.description"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
TOOL_TYPE: Final = "gen_ai.tool.type"

# values of `gen_ai.operation.name`
CHAT: Final = "chat"
EXECUTE_TOOL: Final = "execute_tool"
INVOKE_AGENT: Final = "invoke_agent"

# metrics and the event of the conventions
AGENT_DURATION: Final = "gen_ai.invoke_agent.duration"
EVALUATION_RESULT: Final = "gen_ai.evaluation.result"
OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105  # a name, no secret
TOOL_DURATION: Final = "gen_ai.execute_tool.duration"

CAPTURE_CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The conventions' environment variable that allows prompts, answers, arguments and results in spans."""

# attributes of our own
ANSWERED_BY: Final = "agentlab.answered_by"
ATTEMPTS: Final = "agentlab.attempts"
BREAKER_NAME: Final = "agentlab.breaker.name"
BREAKER_STATE: Final = "agentlab.breaker.state"
CONFIDENCE: Final = "agentlab.confidence"
ERROR_CATEGORY: Final = "agentlab.error.category"
ESTIMATED: Final = "agentlab.usage.estimated"
LAYER: Final = "agentlab.layer"
MISSING: Final = "agentlab.missing"
STATUS: Final = "agentlab.status"
STEP: Final = "agentlab.step.number"
STEPS: Final = "agentlab.steps"
STORE: Final = "agentlab.store.name"
STORE_AVAILABLE: Final = "agentlab.store.available"
WITHOUT: Final = "agentlab.without"

# events and metrics of our own
BREAKER_EVENT: Final = "agentlab.breaker"
BREAKER_GAUGE: Final = "agentlab.breaker.state"
COST: Final = "agentlab.cost"
LAYER_EVENT: Final = "agentlab.layer"
RUNS: Final = "agentlab.runs"
SCORE: Final = "agentlab.evaluation.score"
STORE_EVENT: Final = "agentlab.store"
STORE_GAUGE: Final = "agentlab.store.available"

LONGEST: Final = 200
"""Characters of an attribute whose value comes from outside."""
