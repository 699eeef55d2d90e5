//! An error that main returns, and a status that it gives: both by the way of the runtime.
const std = @import("std");
const say = @import("say.zig").say;

pub fn main() u8 {
    var count: usize = 0;
    var bytes: usize = 0;
    const listed = std.os.wasi.args_sizes_get(&count, &bytes);
    say("{s} {d} {d}\n", .{ @tagName(listed), count, bytes });
    return if (count > 1) 200 else 77;
}
