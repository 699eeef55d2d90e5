//! A bounds check fails: a message on standard error, then a trap.
const say = @import("say.zig").say;

pub fn main() void {
    const numbers = [_]u32{ 1, 2, 3 };
    var index: usize = 2;
    for (0..3) |_| {
        say("numbers[{d}] = {d}\n", .{ index, numbers[index] });
        index += 1;
    }
}
