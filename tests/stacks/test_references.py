"""A producer that gets another construct id changes the templates of its consumers."""

import json

from tests.stacks.conftest import Synthesized


def references(made: Synthesized) -> set[tuple[str, str]]:
    """Return the outputs that stacks read of others, as (consumer, output)."""
    found = set()

    def walk(stack: str, node: object) -> None:
        if isinstance(node, dict):
            if "Fn::GetStackOutput" in node:
                found.add((stack, node["Fn::GetStackOutput"]["OutputName"]))
            for part in node.values():
                walk(stack, part)
        elif isinstance(node, list):
            for part in node:
                walk(stack, part)

    for stack, template in made.templates.items():
        walk(stack, template)
    return found


def test_every_output_that_is_read_is_there_and_named_after_what_it_is_of(real):
    outputs = {
        name: output["Value"]
        for template in real.templates.values()
        for name, output in template.get("Outputs", {}).items()
    }
    read = references(real)
    assert {consumer for consumer, _ in read} >= {"Api", "Service", "Observability"}
    for _, name in read:
        value = outputs[name]
        # A custom value names its resource within: the logical id is part of the output's name.
        assert any(
            logical_id in name
            for template in real.templates.values()
            for logical_id in template["Resources"]
            if logical_id in json.dumps(value)
        ), (name, value)
