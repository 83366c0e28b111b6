"""One call of botocore's bedrock-runtime goes through the lab, and a fault arrives after botocore's own retries."""

from __future__ import annotations

from typing import Any

import anthropic
import boto3
import pytest
from agentlab_faults.exchange import Exchange, Pause
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from .answers import TEXT, Wire
from .calling import DOWN, called

MODEL = "anthropic.claude-3-haiku-20240307-v1:0"


def converse(attempts: int = 1) -> Any:
    config = Config(retries={"total_max_attempts": attempts}, connect_timeout=3, read_timeout=9)
    client = boto3.client("bedrock-runtime", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b", config=config)
    answer = client.converse(modelId=MODEL, messages=[{"role": "user", "content": [{"text": "x"}]}])
    return answer["output"]["message"]["content"][0]["text"]


def test_one_call_goes_through_the_lab() -> None:
    wire = Wire()
    assert called(converse, wire) == TEXT
    assert wire.seen == ["bedrock"]
    assert (wire.requests[0].library, wire.requests[0].host) == ("urllib3", "bedrock-runtime.us-east-1.amazonaws.com")
    assert (wire.requests[0].timeouts.connect, wire.requests[0].timeouts.read) == (3, 9)
    assert wire.ends == ["delivered"]


def test_a_fault_arrives_after_botocores_own_retries() -> None:
    wire = Wire(DOWN)
    with pytest.raises(ClientError):
        called(lambda: converse(3), wire)
    assert len(wire.requests) == 3


@pytest.mark.parametrize(("phase", "raised"), [("connect", ConnectTimeoutError), ("read", ReadTimeoutError)])
def test_silence_ends_at_botocores_own_timeouts(phase: Any, raised: type[Exception]) -> None:
    with pytest.raises(raised):
        called(converse, Wire(Exchange(before=(Pause(1e6, phase),))))


def test_claude_on_bedrock_is_signed_by_botocore_and_goes_through_the_lab() -> None:
    def message() -> Any:
        with anthropic.AnthropicBedrock(aws_access_key="a", aws_secret_key="b", aws_region="us-east-1", max_retries=0) as client:
            return client.messages.create(model=MODEL, max_tokens=5, messages=[{"role": "user", "content": "x"}]).content[0].text

    wire = Wire()
    assert called(message, wire) == TEXT
    assert wire.seen == ["bedrock"]
    assert wire.requests[0].library == "httpx2"
