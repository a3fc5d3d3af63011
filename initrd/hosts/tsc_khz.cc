// Prints the rate of this machine's time stamp counter in kHz. A microvm has nothing to measure it by.

#include <x86intrin.h>

#include <chrono>
#include <cstdio>

int main() {
  using Clock = std::chrono::steady_clock;
  const auto begun = Clock::now();
  const auto first = __rdtsc();
  auto passed = Clock::duration::zero();
  while (passed < std::chrono::milliseconds(100)) passed = Clock::now() - begun;
  const auto ticks = static_cast<double>(__rdtsc() - first);
  std::printf("%.0f\n", ticks / std::chrono::duration<double, std::milli>(passed).count());
}
