// cin, cout, cerr and string streams: words of standard input in order of their number.
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

int main() {
  std::ios::sync_with_stdio(false);
  std::map<std::string, int> words;
  std::string word;
  while (std::cin >> word) words[word]++;
  std::vector<std::pair<int, std::string>> order;
  for (const auto &[text, count] : words) order.emplace_back(-count, text);
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size() && i < 8; i++)
    std::cout << std::setw(8) << -order[i].first << ' ' << order[i].second << '\n';
  std::ostringstream out;
  out << std::hex << std::showbase << 48879 << std::dec << ' ' << std::fixed << std::setprecision(3) << 2.0 / 3
      << ' ' << std::boolalpha << true << ' ' << std::scientific << 12345.678;
  std::cout << out.str() << std::endl;
  std::istringstream in("12 abc 3.5");
  int number;
  double fraction;
  in >> number >> word >> fraction;
  std::cout << number + 1 << word << fraction * 2 << " end " << in.eof() << '\n';
  std::cerr << "told on standard error" << std::endl;
  std::cout << words.size() << " words";
}
