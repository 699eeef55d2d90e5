// A failed assertion: output before it, a message on standard error, then the end.
// runtimes: incremental stub
const numbers = [1, 2, 3];
console.log("before");
function at(index: i32): i32 {
  return numbers[index];
}
console.log(at(7).toString());
