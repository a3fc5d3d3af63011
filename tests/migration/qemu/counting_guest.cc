#include "tests/migration/qemu/counting_guest.h"

#include <sstream>

namespace gcs::testing {
namespace {

// The Multiboot header: where QEMU puts the image, and where it enters it, in 32-bit protected mode.
constexpr uint32_t kMagic = 0x1badb002;
constexpr uint32_t kAddressesValid = 0x10000;
constexpr uint32_t kLoadAddress = 0x100000;
constexpr uint32_t kHeader[] = {kMagic, kAddressesValid,  0 - kMagic - kAddressesValid, kLoadAddress, kLoadAddress, 0,
                                0,      kLoadAddress + 32};

constexpr uint8_t kCode[] = {
    0xbc, 0x00, 0x80, 0x10, 0x00,        //         mov   $0x108000, %esp
    0xff, 0x05, 0x00, 0x40, 0x10, 0x00,  // next:   incl  0x104000
    0x8b, 0x1d, 0x00, 0x40, 0x10, 0x00,  //         mov   0x104000, %ebx
    0xbe, 0x08, 0x00, 0x00, 0x00,        //         mov   $8, %esi
    0xc1, 0xc3, 0x04,                    // digit:  rol   $4, %ebx
    0x88, 0xd8,                          //         mov   %bl, %al
    0x24, 0x0f,                          //         and   $15, %al
    0x04, 0x41,                          //         add   $'A', %al
    0xe8, 0x13, 0x00, 0x00, 0x00,        //         call  put
    0x4e,                                //         dec   %esi
    0x75, 0xef,                          //         jnz   digit
    0xb0, 0x0a,                          //         mov   $'\n', %al
    0xe8, 0x09, 0x00, 0x00, 0x00,        //         call  put
    0xb9, 0x00, 0x00, 0x08, 0x00,        //         mov   $0x80000, %ecx    about a millisecond
    0xe2, 0xfe,                          //         loop  .
    0xeb, 0xce,                          //         jmp   next
    0x88, 0xc4,                          // put:    mov   %al, %ah
    0x66, 0xba, 0xfd, 0x03,              //         mov   $0x3fd, %dx
    0xec,                                // full:   in    %dx, %al
    0xa8, 0x20,                          //         test  $0x20, %al
    0x74, 0xfb,                          //         jz    full
    0x88, 0xe0,                          //         mov   %ah, %al
    0x66, 0xba, 0xf8, 0x03,              //         mov   $0x3f8, %dx
    0xee,                                //         out   %al, %dx
    0xc3,                                //         ret
};

constexpr size_t kDigits = 8;

uint32_t number_of(const std::string& line) {
  uint32_t number = 0;
  if (line.size() != kDigits) return 0;
  for (const char c : line) {
    if (c < 'A' || c > 'P') return 0;
    number = number << 4 | static_cast<uint32_t>(c - 'A');
  }
  return number;
}

}  // namespace

std::string counting_guest() {
  std::string image;
  for (const uint32_t word : kHeader) {
    for (int byte = 0; byte < 4; ++byte) image.push_back(static_cast<char>(word >> (8 * byte) & 0xff));
  }
  image.append(reinterpret_cast<const char*>(kCode), sizeof kCode);
  return image;
}

std::vector<uint32_t> numbers_in(const std::string& console) {
  std::vector<uint32_t> numbers;
  std::istringstream lines(console);
  for (std::string line; std::getline(lines, line) && !lines.eof();) {
    const uint32_t number = number_of(line);
    if (number != 0 || !numbers.empty()) numbers.push_back(number);
  }
  return numbers;
}

std::string gaps_in(const std::string& console) {
  std::string gaps;
  const auto numbers = numbers_in(console);
  for (size_t i = 1; i < numbers.size(); ++i) {
    if (numbers[i] == numbers[i - 1] + 1) continue;
    gaps += std::to_string(numbers[i - 1]) + " then " + std::to_string(numbers[i]) + "\n";
  }
  return gaps;
}

}  // namespace gcs::testing
