# The benchmark. tests/run bench runs its long form over what ships; ctest runs the short one, so that it does not rot.
file(GLOB bench_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/bench/*.cc)
add_executable(gcs-bench ${bench_sources} ${CMAKE_SOURCE_DIR}/tests/support/agent.cc)
target_link_libraries(gcs-bench PRIVATE gcs_host_lib)
target_precompile_headers(gcs-bench REUSE_FROM gcs_io)

add_test(NAME bench COMMAND ${CMAKE_SOURCE_DIR}/tests/in-namespaces ${CMAKE_SOURCE_DIR}/tests/bench/run
  $<TARGET_FILE:gcs-bench> $<TARGET_FILE:gcs> crun --quick)
set_tests_properties(bench PROPERTIES LABELS bench TIMEOUT 300 SKIP_RETURN_CODE 77)
