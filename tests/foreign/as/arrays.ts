// Fills arrays of some hundred KiB and looks whether what it wrote is still there.
// runtimes: stub minimal incremental
const a = new Uint8Array(50000);
a.fill(0xab);
const b = new Uint8Array(64000);
b.fill(0xab);
const c = new Uint8Array(900000);
c.fill(0xab);
console.log("filled");
let changed = 0;
for (let i = 0; i < a.length; i++) if (a[i] != 0xab) changed++;
for (let i = 0; i < b.length; i++) if (b[i] != 0xab) changed++;
for (let i = 0; i < c.length; i++) if (c[i] != 0xab) changed++;
console.log("bytes that changed: " + changed.toString());
