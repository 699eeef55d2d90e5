// The containers of the standard library, without exceptions.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <queue>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

int main() {
  std::map<std::string, int> counts;
  std::unordered_map<int, std::vector<int>> groups;
  std::multiset<int> bag;
  std::deque<int> both;
  std::priority_queue<int> heap;
  std::list<std::unique_ptr<int>> owned;
  unsigned seed = 42;
  for (int i = 0; i < 50000; i++) {
    seed = seed * 1664525u + 1013904223u;
    int value = static_cast<int>(seed >> 16) % 997;
    counts["key" + std::to_string(value % 50)]++;
    groups[value].push_back(i);
    bag.insert(value);
    i % 2 ? both.push_back(value) : both.push_front(value);
    heap.push(value);
    owned.push_back(std::make_unique<int>(value));
  }
  owned.sort([](const auto &a, const auto &b) { return *a < *b; });
  long total = 0;
  for (const auto &[key, list] : groups) total += key * static_cast<long>(list.size());
  std::printf("counts %zu, key7 %d, groups %zu, total %ld\n", counts.size(), counts["key7"], groups.size(), total);
  std::printf("bag %zu of 3, deque %d %d, heap %d, owned %d %d\n", bag.count(3), both.front(), both.back(),
              heap.top(), *owned.front(), *owned.back());
  std::vector<long> sums(both.size());
  std::partial_sum(both.begin(), both.end(), sums.begin());
  std::printf("sum %ld\n", sums.back());
}
