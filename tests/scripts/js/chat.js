import OpenAI from "openai";
import "dotenv/config";

const openai = new OpenAI({ apiKey: process.env.OPENAI_API_KEY });

const SYSTEM = "You are a helpful assistant that answers in one short sentence.";

class Conversation {
  #messages = [{ role: "system", content: SYSTEM }];

  constructor(model = "gpt-4o-mini") {
    this.model = model;
    this.totalTokens = 0;
  }

  async say(content) {
    this.#messages.push({ role: "user", content });
    const completion = await openai.chat.completions.create({
      model: this.model,
      messages: this.#messages,
      temperature: 0.7,
      max_tokens: 120,
    });
    const [choice] = completion.choices;
    this.#messages.push(choice.message);
    this.totalTokens += completion.usage?.total_tokens ?? 0;
    return choice.message.content.trim();
  }

  get length() {
    return this.#messages.length;
  }
}

async function main() {
  const conversation = new Conversation();
  for (const question of ["What is the capital of France?", "How many people live there?", "And what river?"]) {
    console.log(`> ${question}`);
    console.log(await conversation.say(question));
  }
  console.log(`${conversation.length} messages, ${conversation.totalTokens} tokens`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
