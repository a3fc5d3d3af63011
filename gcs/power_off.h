#pragma once

namespace gcs {

/// The VM's end: what the disks should keep is written first, for at most 5 s, since a disk that is gone would make
/// sync(2) wait for ever. Returns only where the kernel refuses; inside a pid namespace only that ends (reboot(2)).
void power_off();

}  // namespace gcs
