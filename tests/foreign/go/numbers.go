// Big numbers, digests, floats and sorting: a long computation.
package main

import (
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"math"
	"math/big"
	"slices"
)

func main() {
	a, b := big.NewInt(0), big.NewInt(1)
	for i := 0; i < 5000; i++ {
		a.Add(a, b)
		a, b = b, a
	}
	text := a.String()
	fmt.Println(len(text), text[:20], text[len(text)-20:])
	fmt.Printf("%x %08x\n", sha256.Sum256([]byte(text)), crc32.ChecksumIEEE([]byte(text)))
	numbers := make([]float64, 100_000)
	seed := uint64(1)
	for i := range numbers {
		seed = seed*6364136223846793005 + 1442695040888963407
		numbers[i] = math.Sqrt(float64(seed>>11)) * math.Sin(float64(i))
	}
	slices.Sort(numbers)
	fmt.Println(numbers[0], numbers[50_000], numbers[99_999])
	fmt.Println(math.Pow(2, 0.5), math.Inf(1), math.MaxInt64, -7/2, -7%3, uint8(len(numbers)))
}
