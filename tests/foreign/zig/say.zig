//! Formatted text to standard output by the import itself.
const std = @import("std");
const wasi = std.os.wasi;

pub fn write(fd: i32, text: []const u8) void {
    var left = text;
    while (left.len > 0) {
        const parts = [_]wasi.ciovec_t{.{ .base = left.ptr, .len = left.len }};
        var written: usize = 0;
        if (wasi.fd_write(fd, &parts, 1, &written) != .SUCCESS) wasi.proc_exit(74);
        left = left[written..];
    }
}

pub fn say(comptime format: []const u8, values: anytype) void {
    var buffer: [4096]u8 = undefined;
    write(1, std.fmt.bufPrint(&buffer, format, values) catch unreachable);
}
