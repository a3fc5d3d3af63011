# Outages at random, on both engines, over what ships and over this build (the sanitizers' one). tests/run chaos --cuts N
# --seed N runs longer ones over what ships.
file(GLOB chaos_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/chaos/*.cc)
add_executable(gcs-chaos ${chaos_sources} ${CMAKE_SOURCE_DIR}/tests/support/agent.cc
  ${CMAKE_SOURCE_DIR}/tests/support/numbered_stream.cc)
target_link_libraries(gcs-chaos PRIVATE gcs_host_lib)
target_precompile_headers(gcs-chaos REUSE_FROM gcs_io)

function(gcs_chaos name agent engine)
  add_test(NAME ${name} COMMAND ${bench} ${CMAKE_SOURCE_DIR}/tests/chaos/run ${shipped}/gcs-chaos ${agent} --io ${engine}
    ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS chaos TIMEOUT 900 SKIP_RETURN_CODE 77)
endfunction()
foreach(engine uring epoll)
  gcs_chaos(chaos_${engine} $<TARGET_FILE:gcs> ${engine} --cuts 1000)
  gcs_chaos(chaos_${engine}_release ${shipped}/gcs ${engine} --cuts 1000)
  gcs_chaos(chaos_storm_${engine} $<TARGET_FILE:gcs> ${engine} --storm 10)
endforeach()
