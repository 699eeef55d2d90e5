//! Digests, checksums, random numbers of a fixed seed and hash maps by their sorted keys.
const std = @import("std");
const say = @import("say.zig").say;

pub fn main() !void {
    const allocator = std.heap.wasm_allocator;
    var random = std.Random.DefaultPrng.init(42);
    var data: [100_000]u8 = undefined;
    random.random().bytes(&data);
    var digest: [32]u8 = undefined;
    std.crypto.hash.sha2.Sha256.hash(&data, &digest, .{});
    say("{x}\n", .{std.mem.readInt(u256, &digest, .big)});
    say("{x} {x}\n", .{ std.hash.Crc32.hash(&data), std.hash.Wyhash.hash(7, &data) });
    var map = std.AutoHashMap(u32, u32).init(allocator);
    for (0..50_000) |i| {
        const slot = try map.getOrPut(random.random().int(u32) % 3000);
        slot.value_ptr.* = if (slot.found_existing) slot.value_ptr.* +% @as(u32, @intCast(i)) else 0;
    }
    var keys = try allocator.alloc(u32, map.count());
    var iterator = map.keyIterator();
    var filled: usize = 0;
    while (iterator.next()) |key| : (filled += 1) keys[filled] = key.*;
    std.mem.sort(u32, keys, {}, std.sort.asc(u32));
    say("{d} {d} {d} {d}\n", .{ keys.len, keys[0], keys[keys.len - 1], map.get(keys[5]).? });
}
