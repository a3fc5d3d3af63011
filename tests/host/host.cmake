# The companion: the host's side of the bridge as a library, and gcs-host on top of it.
file(GLOB host_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/host/*.cc)
list(FILTER host_sources EXCLUDE REGEX "/(main|fake_[a-z]+)\\.cc$")
add_library(gcs_host_lib STATIC ${host_sources})
target_link_libraries(gcs_host_lib PUBLIC gcs_io)
target_precompile_headers(gcs_host_lib REUSE_FROM gcs_io)

add_executable(gcs-host ${CMAKE_SOURCE_DIR}/tests/host/main.cc)
target_link_libraries(gcs-host PRIVATE gcs_migration)
target_precompile_headers(gcs-host REUSE_FROM gcs_io)

# The guest's side in a few lines, for the tests of the companion itself.
file(GLOB fake_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/host/fake_*.cc)
add_library(gcs_host_fakes STATIC ${fake_sources})
target_link_libraries(gcs_host_fakes PUBLIC gcs_host_lib doctest::doctest)
target_precompile_headers(gcs_host_fakes REUSE_FROM gcs_io)

gcs_link_tests(host gcs_host_fakes)
