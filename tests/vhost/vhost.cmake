# QEMU's vsock device where the kernel has none: tests/vhost/README.md. What is preloaded is the release build's.
add_library(gcs_vhost_device STATIC tests/vhost/guest_memory.cc tests/vhost/vring.cc tests/vhost/vsock_device.cc)
set_target_properties(gcs_vhost_device PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_include_directories(gcs_vhost_device PUBLIC ${CMAKE_SOURCE_DIR})
add_library(gcs_vhost MODULE tests/vhost/preload.cc)
target_link_libraries(gcs_vhost PRIVATE gcs_vhost_device)
set_target_properties(gcs_vhost PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

gcs_link_tests(vhost gcs_vhost_device)
