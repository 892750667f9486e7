"""docs/streaming.md is read: its examples are messages, and it leaves nothing out."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from gymspotter.skeleton import LAYOUTS
from gymspotter.stream.events import EVENTS, Limits, as_message, read_event
from gymspotter.stream.hints import HINTS
from gymspotter.stream.protocol import Bye, Frames, Hello, read_hello, read_message

PAGE = (Path(__file__).parents[3] / "docs" / "streaming.md").read_text()
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
CLIENTS = ("hello", "frames", "bye")
LIMITS = Limits(
    message_bytes=10**6,
    frames_per_message=600,
    frames_per_second=120,
    session_seconds=1,
    resume_seconds=30,
    image_pixels=1,
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["type"])
def test_each_example_is_a_message(example):
    text = json.dumps(example)
    if example["type"] == "hello":
        assert isinstance(read_hello(text), Hello)
    elif example["type"] == "frames":
        assert isinstance(read_message(text, LAYOUTS["h36m17"], LIMITS), Frames)
    elif example["type"] == "bye":
        assert read_message(text, None, LIMITS) == Bye()
    else:
        # Nothing more and nothing less than what is sent.
        assert json.loads(json.dumps(as_message(read_event(example)))) == example


def test_each_message_has_an_example():
    assert {example["type"] for example in EXAMPLES} == {*EVENTS, *CLIENTS}


def test_all_fields_codes_and_layouts_are_named():
    named = [*LAYOUTS, "jpeg", *(code for code, _, _ in HINTS), "late", "gap", "clock", "shed", "behind", "model"]
    named += [field.name for kind in (Hello, Limits) for field in fields(kind)]
    named += ["1000", "1001", "1009", "4400", "4401", "4403", "4408", "4409", "4413", "4429"]
    assert [name for name in named if name not in PAGE] == []
