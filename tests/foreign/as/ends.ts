// An exit status of its own, from the arguments.
// runtimes: incremental
console.log(process.argv.length.toString() + " arguments, last '" + process.argv[process.argv.length - 1] + "'");
const greeting = process.env.has("GREETING") ? process.env.get("GREETING") : "nothing";
console.log("environment: " + greeting);
process.exit(process.argv.length > 1 ? <i32>parseInt(process.argv[1]) : 5);
