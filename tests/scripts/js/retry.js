const OpenAI = require("openai");
const { setTimeout: sleep } = require("node:timers/promises");

const openai = new OpenAI({ apiKey: process.env.OPENAI_API_KEY, maxRetries: 0 });

class ValidationError extends Error {
  constructor(message, raw) {
    super(message);
    this.name = "ValidationError";
    this.raw = raw;
  }
}

function parseScore(text) {
  const match = text.match(/```(?:json)?\s*([\s\S]*?)```/);
  let data;
  try {
    data = JSON.parse(match ? match[1] : text);
  } catch {
    throw new ValidationError("not JSON", text);
  }
  if (typeof data.score !== "number" || data.score < 0 || data.score > 10) {
    throw new ValidationError(`bad score: ${data.score}`, text);
  }
  return data;
}

async function withRetry(fn, { retries = 4, base = 500, factor = 2 } = {}) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await fn(attempt);
    } catch (err) {
      if (!(err instanceof ValidationError) || attempt >= retries) throw err;
      const delay = base * factor ** attempt + Math.floor(Math.random() * 100);
      console.warn(`attempt ${attempt + 1} failed (${err.message}), retrying`);
      if (delay < base) throw new Error("delay too short");
      await sleep(delay);
    }
  }
}

async function score(review) {
  return withRetry(async (attempt) => {
    const res = await openai.chat.completions.create({
      model: "gpt-3.5-turbo",
      messages: [
        { role: "system", content: 'Score the review from 0 to 10 as JSON: {"score": n, "why": "..."}' },
        { role: "user", content: attempt === 0 ? review : `${review}\n\nAnswer with JSON only. (try ${attempt + 1})` },
      ],
    });
    return parseScore(res.choices[0].message.content);
  });
}

async function main() {
  const started = Date.now();
  const first = await score("The food was great, the service slow.");
  console.log("score:", first.score, "-", first.why);
  try {
    await score("Unreadable");
  } catch (err) {
    console.log(`${err.name}: ${err.message} (${JSON.stringify(err.raw)})`);
  }
  const elapsed = Date.now() - started;
  console.log(elapsed > 8000 && elapsed < 10000 ? "waited long enough" : `waited ${elapsed} ms`);
}

if (require.main === module) {
  main();
}
