//! Tables made while compiling, generic types, tagged unions and errors.
const std = @import("std");
const say = @import("say.zig").say;

const primes = blk: {
    @setEvalBranchQuota(200_000);
    var sieve: [2000]bool = @splat(true);
    var list: [303]u32 = undefined;
    var count: usize = 0;
    for (2..2000) |i| {
        if (!sieve[i]) continue;
        list[count] = i;
        count += 1;
        var j = i * i;
        while (j < 2000) : (j += i) sieve[j] = false;
    }
    break :blk list;
};

const Shape = union(enum) {
    circle: f64,
    box: struct { a: f64, b: f64 },
    fn area(self: Shape) f64 {
        return switch (self) {
            .circle => |r| std.math.pi * r * r,
            .box => |box| box.a * box.b,
        };
    }
};

fn Pair(comptime T: type) type {
    return struct { first: T, second: T };
}

fn half(n: u32) error{Odd}!u32 {
    return if (n % 2 == 0) n / 2 else error.Odd;
}

pub fn main() void {
    say("prime {d} {d}\n", .{ primes[0], primes[302] });
    const shapes = [_]Shape{ .{ .circle = 2 }, .{ .box = .{ .a = 3, .b = 4.5 } } };
    for (shapes) |shape| say("{s} {d:.4}\n", .{ @tagName(shape), shape.area() });
    const pair: Pair(u8) = .{ .first = 250, .second = 10 };
    say("{d} {d} {s}\n", .{ pair.first +% pair.second, pair.first +| pair.second, @typeName(@TypeOf(pair.first)) });
    say("{d} {s}\n", .{ half(10) catch 0, if (half(7)) |_| "even" else |err| @errorName(err) });
    say("{x} {b:0>8} {e} {d}\n", .{ 48879, 37, 12345.678, 0.1 });
    say("{d}\n", .{@as(u128, 1) << 100});
}
