// The interface is Linux's include/uapi/linux/dm-ioctl.h. A call is one buffer: the header, then what the command
// takes, and on return the header, then what it gives.
#include "runtime/storage/device_mapper.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <string.h>  // explicit_bzero
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "runtime/storage/block_device.h"

namespace gcs::storage {
namespace {

// libdm's wait for a udev rule that still looks at the device: 10 times 10 ms.
constexpr int kRemoveTries = 10;
constexpr useconds_t kRemovePause = 10000;

constexpr size_t kMaxList = 1 << 20;  // of names(): some 4000 devices with names of usual length

/// One call's buffer.
class Call {
 public:
  Call(const std::string& name, uint32_t flags, size_t payload = 0, bool secret = false)
      : buffer_((sizeof(dm_ioctl) + payload + 7) & ~size_t{7}), secret_(secret) {
    dm_ioctl header{};
    header.version[0] = 4;
    header.data_size = static_cast<uint32_t>(buffer_.size());
    header.data_start = sizeof(dm_ioctl);
    header.flags = flags | (secret ? static_cast<uint32_t>(DM_SECURE_DATA_FLAG) : 0);
    std::memcpy(header.name, name.data(), std::min(name.size(), sizeof header.name - 1));
    put_header(header);
  }
  ~Call() {
    if (secret_) ::explicit_bzero(buffer_.data(), buffer_.size());
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  dm_ioctl header() const {
    dm_ioctl header{};
    std::memcpy(&header, buffer_.data(), sizeof header);
    return header;
  }
  void put_header(const dm_ioctl& header) { std::memcpy(buffer_.data(), &header, sizeof header); }
  char* payload() { return buffer_.data() + sizeof(dm_ioctl); }
  const char* given() const { return buffer_.data() + header().data_start; }
  size_t given_size() const { return buffer_.size() - std::min<size_t>(buffer_.size(), header().data_start); }

  /// 0, or the errno.
  int send(const io::Fd& control, unsigned long command) {
    return ::ioctl(control.get(), command, buffer_.data()) == 0 ? 0 : errno;
  }

 private:
  std::vector<char> buffer_;
  bool secret_;
};

class KernelDeviceMapper final : public DeviceMapper {
 public:
  explicit KernelDeviceMapper(const SystemRoots& roots) : dir_(roots.dev + "/mapper") {}

  Result<std::string> create(const Mapping& mapping) override {
    const std::string doing = "make the device " + mapping.name;
    if (mapping.name.empty() || mapping.name.size() >= DM_NAME_LEN || mapping.name.find('/') != std::string::npos) {
      return Error(Errc::invalid_argument, "the device's name is empty, too long, or has a slash");
    }
    const auto control = open_control();
    if (!control) return control.error().within(doing);
    Call create(mapping.name, 0);
    if (const int failed = create.send(*control, DM_DEV_CREATE)) {
      // That name, or one that is being removed.
      if (failed == EBUSY || failed == EEXIST) return Error(Errc::already_exists, doing + ": it exists", failed);
      return device_error(doing, failed);
    }
    const auto done = complete(*control, mapping, create.header().dev);
    if (done) return node_of(mapping.name);
    Call undo(mapping.name, 0);
    undo.send(*control, DM_DEV_REMOVE);
    return done.error().within(doing);
  }

  Result<> remove(const std::string& name) override {
    const auto control = open_control();
    if (!control && control.error().code() == Errc::not_found) return {};
    if (!control) return control.error();
    for (int left = kRemoveTries;; --left) {
      Call remove(name, 0);
      const int failed = remove.send(*control, DM_DEV_REMOVE);
      if (failed == 0 || failed == ENXIO) break;
      if (failed != EBUSY || left == 0) return device_error("remove the device " + name, failed);
      ::usleep(kRemovePause);
    }
    ::unlink(node_of(name).c_str());
    return {};
  }

  Result<std::vector<std::string>> names() override {
    std::vector<std::string> names;
    const auto control = open_control();
    if (!control && control.error().code() == Errc::not_found) return names;
    if (!control) return control.error();
    for (size_t size = 16 * 1024; size <= kMaxList; size *= 4) {
      Call list("", 0, size);
      if (const int failed = list.send(*control, DM_LIST_DEVICES)) return device_error("list mapped devices", failed);
      if ((list.header().flags & DM_BUFFER_FULL_FLAG) != 0) continue;
      read_names(list, names);
      return names;
    }
    return Error(Errc::exhausted, "there are too many mapped devices");
  }

 private:
  std::string node_of(const std::string& name) const { return dir_ + "/" + name; }

  Result<io::Fd> open_control() const {
    io::Fd control(::open((dir_ + "/control").c_str(), O_RDWR | O_CLOEXEC));
    if (control) return control;
    if (errno != ENOENT && errno != ENODEV && errno != ENXIO) return device_error("open " + dir_ + "/control");
    return Error(Errc::not_found, "the kernel has no device mapper", errno);
  }

  /// Loads the table, makes it the active one, and makes the node.
  Result<> complete(const io::Fd& control, const Mapping& mapping, uint64_t device) const {
    const size_t spec_size = sizeof(dm_target_spec) + mapping.parameters.size() + 1;
    Call load(mapping.name, mapping.read_only ? DM_READONLY_FLAG : 0, spec_size, mapping.secret);
    dm_ioctl header = load.header();
    header.target_count = 1;
    load.put_header(header);
    dm_target_spec spec{};
    spec.length = mapping.sectors;
    spec.next = static_cast<uint32_t>(spec_size);
    std::memcpy(spec.target_type, mapping.type.data(), std::min(mapping.type.size(), sizeof spec.target_type - 1));
    std::memcpy(load.payload(), &spec, sizeof spec);
    std::memcpy(load.payload() + sizeof spec, mapping.parameters.c_str(), mapping.parameters.size() + 1);
    if (const int failed = load.send(control, DM_TABLE_LOAD)) {
      if (failed == EINVAL) {
        return Error(Errc::unsupported, "the kernel refuses its " + mapping.type + " table (its log says why)", failed);
      }
      return device_error("load its " + mapping.type + " table", failed);
    }
    Call resume(mapping.name, 0);  // a suspend without the flag
    if (const int failed = resume.send(control, DM_DEV_SUSPEND)) return device_error("activate its table", failed);
    return make_node(mapping.name, device);
  }

  Result<> make_node(const std::string& name, uint64_t device) const {
    const std::string node = node_of(name);
    ::unlink(node.c_str());  // of a device that somebody else has removed
    if (::mknod(node.c_str(), S_IFBLK | 0600, makedev(major(device), minor(device))) != 0) {
      return sys_error("make the node " + node);
    }
    return {};
  }

  static void read_names(const Call& list, std::vector<std::string>& names) {
    const char* bytes = list.given();
    const size_t size = list.given_size();
    for (size_t at = 0; at + sizeof(dm_name_list) <= size;) {
      dm_name_list entry{};
      std::memcpy(&entry, bytes + at, sizeof entry);
      if (entry.dev == 0) return;  // the list of none
      const size_t name = at + offsetof(dm_name_list, name);
      names.emplace_back(bytes + name, ::strnlen(bytes + name, size - name));
      if (entry.next == 0) return;
      at += entry.next;
    }
  }

  std::string dir_;
};

}  // namespace

std::unique_ptr<DeviceMapper> make_device_mapper(const SystemRoots& roots) {
  return std::make_unique<KernelDeviceMapper>(roots);
}

}  // namespace gcs::storage
