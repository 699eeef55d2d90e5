// A pool of workers over a queue with a limit of calls at once, progress, a deadline and a summary.
import OpenAI, { APIError } from "openai";
import { performance } from "node:perf_hooks";
import assert from "node:assert/strict";
import { chunk, pLimit } from "./lib/pool.js";
import prompts from "./lib/prompts.json" with { type: "json" };

const openai = new OpenAI({ timeout: 20 * 1000 });
const limit = pLimit(3);
const controller = new AbortController();
const started = performance.now();

async function translate(word, language) {
  const template = prompts[language];
  assert.ok(template, `no prompt for ${language}`);
  const completion = await openai.chat.completions.create(
    { model: "gpt-4o-mini", messages: [{ role: "user", content: template.replace("{{word}}", word) }], stop: ["\n"] },
    { signal: controller.signal },
  );
  return completion.choices[0].message.content;
}

const words = ["sea", "moon", "tide", "salt", "wind"];
const deadline = setTimeout(() => controller.abort(), 60_000);
const done = await Promise.allSettled(words.map((word) => limit(() => translate(word, word === "wind" ? "xx" : "de"))));
clearTimeout(deadline);

for (const [i, result] of done.entries()) {
  if (result.status === "fulfilled") console.log("%s -> %s", words[i], result.value);
  else console.log("%s failed: %s", words[i], result.reason.message);
}
console.log(chunk(words, 2));
console.log("most at once: %d", limit.most);
try {
  await openai.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "hi" }], temperature: 3 });
} catch (error) {
  assert(error instanceof APIError);
  console.log(error.status, error.constructor.name);
}
console.log(performance.now() - started, "ms");
