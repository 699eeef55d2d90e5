// Floats, integers and arrays of objects under a collector that has much to do.
// runtimes: minimal incremental stub
class Point {
  constructor(public x: f64, public y: f64) {}
  length(): f64 {
    return Math.sqrt(this.x * this.x + this.y * this.y);
  }
}
let kept: Point[] = [];
let seed: u32 = 5;
for (let i = 0; i < 200000; i++) {
  seed = seed * 1664525 + 1013904223;
  const point = new Point(<f64>(seed >> 8), Math.sin(<f64>i));
  if (i % 100 == 0) kept.push(point);
}
kept.sort((a, b) => (a.length() < b.length() ? -1 : 1));
let sum: f64 = 0;
for (let i = 0; i < kept.length; i++) sum += kept[i].y;
console.log(kept.length.toString() + " " + kept[0].x.toString() + " " + sum.toString());
console.log((1.0 / 3.0).toString() + " " + (1e21).toString() + " " + (-7 / 2).toString() + " " + u64.MAX_VALUE.toString());
console.log(Math.pow(2, 0.5).toString() + " " + Math.fround(0.1).toString() + " " + (0.1 + 0.2).toString());
