//! The allocators of std over some ten MiB: arena, fixed buffer, pages and wasm's own.
const std = @import("std");
const say = @import("say.zig").say;

fn churn(allocator: std.mem.Allocator) !u64 {
    var blocks: [512]?[]u8 = @splat(null);
    var seed: u32 = 9;
    var damaged: u64 = 0;
    for (0..20_000) |_| {
        seed = seed *% 1664525 +% 1013904223;
        const at = (seed >> 8) % blocks.len;
        if (blocks[at]) |block| {
            for (block) |byte| damaged += @intFromBool(byte != @as(u8, @truncate(at)));
            allocator.free(block);
        }
        const block = try allocator.alloc(u8, 1 + (seed >> 4) % 9000);
        @memset(block, @truncate(at));
        blocks[at] = block;
    }
    for (blocks) |block| if (block) |some| allocator.free(some);
    return damaged;
}

pub fn main() !void {
    say("wasm {d}\n", .{try churn(std.heap.wasm_allocator)});
    var arena = std.heap.ArenaAllocator.init(std.heap.page_allocator);
    defer arena.deinit();
    say("arena {d}\n", .{try churn(arena.allocator())});
    var small: [1000]u8 = undefined;
    var fixed = std.heap.FixedBufferAllocator.init(&small);
    const refused = fixed.allocator().alloc(u8, 2000);
    say("fixed {s}\n", .{if (refused) |_| "given" else |err| @errorName(err)});
    const pages = try std.heap.page_allocator.alloc(u64, 4 << 20);
    var sum: u64 = 0;
    for (pages, 0..) |*page, i| page.* = i;
    for (pages) |page| sum +%= page *% 31;
    say("pages {d} {d}\n", .{ pages.len, sum });
}
