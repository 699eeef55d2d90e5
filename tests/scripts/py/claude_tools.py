"""A calculator agent with the anthropic SDK."""
import ast
import operator

import anthropic

client = anthropic.Anthropic()
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def evaluate(node):
    if isinstance(node, ast.Expression):
        return evaluate(node.body)
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](evaluate(node.left), evaluate(node.right))
    raise ValueError(f"unsupported: {ast.dump(node)}")


tools = [
    {
        "name": "calculate",
        "description": "Evaluate an arithmetic expression.",
        "input_schema": {
            "type": "object",
            "properties": {"expression": {"type": "string"}},
            "required": ["expression"],
        },
    }
]
messages = [{"role": "user", "content": "What is 17 * 23 + 4?"}]

while True:
    response = client.messages.create(
        model="claude-sonnet-4-20250514",
        max_tokens=1024,
        system="Use the calculator for arithmetic.",
        tools=tools,
        messages=messages,
    )
    messages.append({"role": "assistant", "content": response.content})
    if response.stop_reason != "tool_use":
        break
    results = []
    for block in response.content:
        if block.type == "tool_use":
            value = evaluate(ast.parse(block.input["expression"], mode="eval"))
            print(f"{block.name}: {block.input['expression']} = {value}")
            results.append({"type": "tool_result", "tool_use_id": block.id, "content": str(value)})
    messages.append({"role": "user", "content": results})

print(response.content[0].text)
print(f"stop: {response.stop_reason}, {len(messages)} messages")
