# Outages at random, started by hand: tests/in-namespaces tests/chaos/run GCS_CHAOS GCS --cuts N --seed N --io ENGINE.
# No test yet: the cuts show losses that are not mended; the storm (--storm SECONDS) is clean.
file(GLOB chaos_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/chaos/*.cc)
add_executable(gcs-chaos ${chaos_sources} ${CMAKE_SOURCE_DIR}/tests/support/agent.cc
  ${CMAKE_SOURCE_DIR}/tests/support/numbered_stream.cc)
target_link_libraries(gcs-chaos PRIVATE gcs_host_lib)
target_precompile_headers(gcs-chaos REUSE_FROM gcs_io)
