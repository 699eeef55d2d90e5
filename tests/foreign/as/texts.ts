// Strings, maps, sets and sorting over what standard input says.
// runtimes: minimal incremental
const buffer = new ArrayBuffer(65536);
let text = "";
for (;;) {
  const read = process.stdin.read(buffer);
  if (read <= 0) break;
  text += String.UTF8.decode(buffer.slice(0, read));
}
const counts = new Map<string, i32>();
const lengths = new Set<i32>();
const words = text.split("\n").join(" ").split(" ");
for (let i = 0; i < words.length; i++) {
  const word = words[i].toLowerCase();
  if (!word.length) continue;
  counts.set(word, counts.has(word) ? counts.get(word) + 1 : 1);
  lengths.add(word.length);
}
const names = counts.keys();
names.sort((x, y) => (x < y ? -1 : x > y ? 1 : 0));
for (let i = 0; i < min(names.length, 6); i++) {
  console.log(names[i].padEnd(12, ".") + counts.get(names[i]).toString());
}
console.log(names.length.toString() + " words, " + lengths.size.toString() + " lengths");
console.log("世界".charCodeAt(0).toString(16) + " " + "größe".toUpperCase() + " " + "a-b-c".replaceAll("-", "+"));
console.error("told on standard error");
