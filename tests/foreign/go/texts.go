// fmt, strings, strconv, sort, bufio and JSON over standard input.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

type record struct {
	Name  string             `json:"name"`
	Tags  []string           `json:"tags,omitempty"`
	Rates map[string]float64 `json:"rates"`
}

func main() {
	words := map[string]int{}
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		for _, word := range strings.Fields(scanner.Text()) {
			words[strings.ToLower(word)]++
		}
	}
	names := make([]string, 0, len(words))
	for name := range words {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		return words[names[i]] > words[names[j]] || words[names[i]] == words[names[j]] && names[i] < names[j]
	})
	for _, name := range names[:min(6, len(names))] {
		fmt.Printf("%5d %-10s|%q|%d\n", words[name], name, name, utf8.RuneCountInString(name))
	}
	var read record
	err := json.Unmarshal([]byte(`{"name":"größe","tags":["a","\u4e16"],"rates":{"x":1e-7,"b":2.5,"a":1e21}}`), &read)
	out, _ := json.MarshalIndent(read, "", " ")
	fmt.Println(string(out), err)
	fmt.Println(json.Unmarshal([]byte(`{"name":5}`), &read))
	fmt.Printf("%v %+v %#v %T %8.3f %x %t %p\n", read.Tags, words["nothing"], read.Tags, read, 3.14159, "hex", true, nil)
	_, err = strconv.Atoi("12x")
	fmt.Println(err, strconv.Quote("tab\there"), strconv.FormatFloat(1.0/3, 'g', -1, 64))
}
