// Plans a content calendar and asks for a title for each post.
import OpenAI from "openai";

const openai = new OpenAI();

const addDays = (date, days) => new Date(date.getTime() + days * 86_400_000);
const isWeekend = (date) => [0, 6].includes(date.getUTCDay());
const iso = (date) => date.toISOString().slice(0, 10);

function* workdays(start) {
  for (let day = start; ; day = addDays(day, 1)) {
    if (!isWeekend(day)) yield day;
  }
}

function weekNumber(date) {
  const day = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()));
  day.setUTCDate(day.getUTCDate() + 4 - (day.getUTCDay() || 7));
  return Math.ceil(((day - Date.UTC(day.getUTCFullYear(), 0, 1)) / 86_400_000 + 1) / 7);
}

const today = new Date();
console.log(`Plan of ${today.toLocaleDateString("en-US", { weekday: "long", year: "numeric", month: "long", day: "numeric", timeZone: "UTC" })}`);

const topics = ["tides", "volcanoes", "glaciers"];
const posts = [];
const days = workdays(addDays(today, 2));
for (const topic of topics) {
  const { value: day } = days.next();
  const { choices } = await openai.chat.completions.create({
    model: "gpt-4o-mini",
    messages: [{ role: "user", content: `A title for a post about ${topic} on ${iso(day)}?` }],
  });
  posts.push({ day, week: weekNumber(day), title: choices[0].message.content.replace(/^"|"$/g, "") });
}

for (const { day, week, title } of posts) {
  const short = day.toLocaleDateString("en-US", { month: "short", day: "2-digit", timeZone: "UTC" });
  console.log(`W${String(week).padStart(2, "0")}  ${short.padEnd(8)}${title}`);
}
const last = posts.at(-1).day;
console.log(`${Math.round((last - today) / 3_600_000)} hours until the last one, ${new Intl.NumberFormat("en-US").format(last.getTime())} ms`);
console.log(JSON.stringify({ first: posts[0].day, leap: new Date(Date.UTC(2024, 1, 29)), parsed: Date.parse("2025-03-01T12:00:00+02:00") }));
console.log(new Date("nonsense").getTime(), String(new Date(0)));
