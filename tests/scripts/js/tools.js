import OpenAI from "openai";

const client = new OpenAI();

const tools = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "Get the current weather in a given city",
      parameters: {
        type: "object",
        properties: {
          city: { type: "string" },
          unit: { type: "string", enum: ["celsius", "fahrenheit"] },
        },
        required: ["city"],
      },
    },
  },
  {
    type: "function",
    function: {
      name: "add",
      description: "Add two numbers",
      parameters: {
        type: "object",
        properties: { a: { type: "number" }, b: { type: "number" } },
        required: ["a", "b"],
      },
    },
  },
];

const WEATHER = { Paris: 18, Oslo: 4, Cairo: 31 };

const implementations = {
  get_weather: async ({ city, unit = "celsius" }) => {
    await new Promise((resolve) => setTimeout(resolve, 250)); // simulate an API
    if (!(city in WEATHER)) throw new Error(`no weather for ${city}`);
    const celsius = WEATHER[city];
    return { city, temperature: unit === "celsius" ? celsius : celsius * 1.8 + 32, unit };
  },
  add: ({ a, b }) => a + b,
};

async function callTool({ id, function: { name, arguments: json } }) {
  let content;
  try {
    content = JSON.stringify(await implementations[name](JSON.parse(json)));
  } catch (error) {
    content = JSON.stringify({ error: error.message });
  }
  console.log(`  ${name}(${json}) -> ${content}`);
  return { role: "tool", tool_call_id: id, content };
}

async function agent(prompt, maxTurns = 5) {
  const messages = [{ role: "user", content: prompt }];
  for (let turn = 1; turn <= maxTurns; turn++) {
    const response = await client.chat.completions.create({ model: "gpt-4o", messages, tools, tool_choice: "auto" });
    const { message, finish_reason } = response.choices[0];
    console.log(`turn ${turn}: ${finish_reason}`);
    messages.push(message);
    if (!message.tool_calls?.length) return message.content;
    messages.push(...(await Promise.all(message.tool_calls.map(callTool))));
  }
  throw new Error(`no answer after ${maxTurns} turns`);
}

console.log(await agent("How warm is it in Paris, Oslo and Atlantis, and what is the sum of the first two?"));
