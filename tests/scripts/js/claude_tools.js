import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic();

const inventory = new Map([
  ["apple", { count: 12, price: 0.4 }],
  ["pear", { count: 0, price: 0.55 }],
]);

const tools = [
  {
    name: "stock",
    description: "Looks an article up.",
    input_schema: { type: "object", properties: { article: { type: "string" } }, required: ["article"] },
  },
];

function use({ name, input }) {
  if (name !== "stock") throw new Error(`unknown tool ${name}`);
  const found = inventory.get(input.article.toLowerCase());
  if (!found) throw new RangeError(`no article ${input.article}`);
  return found;
}

const messages = [{ role: "user", content: "Can I have pears, or figs, or apples? What do five of them cost?" }];
let response;
let rounds = 0;
do {
  response = await client.messages.create({
    model: "claude-sonnet-4-0",
    max_tokens: 1024,
    system: [{ type: "text", text: "You sell fruit.", cache_control: { type: "ephemeral" } }],
    tools,
    messages,
  });
  rounds += 1;
  messages.push({ role: "assistant", content: response.content });
  const results = [];
  for (const block of response.content) {
    if (block.type === "text") console.log("text:", block.text);
    if (block.type !== "tool_use") continue;
    try {
      results.push({ type: "tool_result", tool_use_id: block.id, content: JSON.stringify(use(block)) });
    } catch (e) {
      results.push({ type: "tool_result", tool_use_id: block.id, content: `${e}`, is_error: true });
    }
  }
  if (results.length) messages.push({ role: "user", content: results });
} while (response.stop_reason === "tool_use" && rounds < 10);

console.log({ rounds, stop: response.stop_reason, tokens: response.usage.input_tokens + response.usage.output_tokens });
console.log(messages.map(({ role, content }) => `${role}: ${typeof content === "string" ? "text" : content.map((b) => b.type).join("+")}`).join("\n"));

const stream = client.messages.stream({ model: "claude-sonnet-4-0", max_tokens: 50, messages: [{ role: "user", content: "Say goodbye." }] });
stream.on("text", (text) => process.stdout.write(text));
await stream.finalMessage();
process.stdout.write("\n");
