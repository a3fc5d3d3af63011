# Tests and the companion. A unit test is tests/<unit>_test.cc and becomes one ctest case of that name, labelled "unit".
find_package(doctest REQUIRED)

file(GLOB support CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/support/*.cc)
add_library(gcs_test_main STATIC ${support})
target_link_libraries(gcs_test_main PUBLIC doctest::doctest gcs_service)
target_precompile_headers(gcs_test_main REUSE_FROM gcs_io)

file(GLOB unit_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*_test.cc)
foreach(source ${unit_tests})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE gcs_test_main)
  target_precompile_headers(${name} REUSE_FROM gcs_io)
  target_compile_definitions(${name} PRIVATE GCS_CORPUS="${CMAKE_SOURCE_DIR}/tests/corpus")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 120)
endforeach()

set_tests_properties(io_test task_test PROPERTIES LABELS io)

# What the unit tests of a part link beside the common: tests/<part>_*_test.cc.
function(gcs_link_tests part library)
  foreach(source ${unit_tests})
    get_filename_component(name ${source} NAME_WE)
    if(name MATCHES "^${part}_")
      target_link_libraries(${name} PRIVATE ${library})
    endif()
  endforeach()
endfunction()

include(tests/ttrpc/ttrpc.cmake)
include(tests/host/host.cmake)
include(tests/migration/migration.cmake)
include(tests/vhost/vhost.cmake)

# Real containers on the Unix-socket bench, in private namespaces: this build, and what ships (tests/run builds both).
set(bench ${CMAKE_SOURCE_DIR}/tests/in-namespaces)
set(shipped ${CMAKE_SOURCE_DIR}/build/release/bin)
function(gcs_bench name script)
  foreach(runtime crun runc)
    foreach(engine uring epoll)
      add_test(NAME ${name}_${runtime}_${engine} COMMAND ${bench} ${CMAKE_SOURCE_DIR}/tests/${script}
        $<TARGET_FILE:gcs> $<TARGET_FILE:gcs-host> ${runtime} ${engine})
      set_tests_properties(${name}_${runtime}_${engine} PROPERTIES LABELS containers TIMEOUT 600 SKIP_RETURN_CODE 77)
    endforeach()
  endforeach()
  add_test(NAME ${name}_uring_release COMMAND ${bench} ${CMAKE_SOURCE_DIR}/tests/${script} ${shipped}/gcs ${shipped}/gcs-host
    crun uring)
  set_tests_properties(${name}_uring_release PROPERTIES LABELS containers TIMEOUT 600 SKIP_RETURN_CODE 77)
endfunction()
gcs_bench(containers containers)
gcs_bench(replay replay)
gcs_bench(resume resume)

# The agent as a whole, driven by the companion's library.
file(GLOB agent_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/agent/*.cc)
add_executable(agent_test ${agent_sources})
target_link_libraries(agent_test PRIVATE gcs_test_main gcs_host_lib)
target_precompile_headers(agent_test REUSE_FROM gcs_io)
function(gcs_agent_test name agent runtime engine)
  add_test(NAME ${name} COMMAND ${bench} $<TARGET_FILE:agent_test>)
  set_tests_properties(${name} PROPERTIES LABELS containers TIMEOUT 600 SKIP_RETURN_CODE 77
    ENVIRONMENT "GCS=${agent};RUNTIME=${runtime};IO=${engine}")
endfunction()
gcs_agent_test(agent_crun_uring $<TARGET_FILE:gcs> crun uring)
gcs_agent_test(agent_crun_epoll $<TARGET_FILE:gcs> crun epoll)
gcs_agent_test(agent_runc_uring $<TARGET_FILE:gcs> runc uring)
gcs_agent_test(agent_uring_release ${shipped}/gcs crun uring)
set_property(TEST agent_uring_release APPEND PROPERTY ENVIRONMENT PODS=500) # in a row; a build with sanitizers does 20

# The image in QEMU, over vsock loopback: one at a time, for a guest's clock runs on while it starves.
add_test(NAME vm_machine COMMAND ${CMAKE_SOURCE_DIR}/tests/vm machine)
add_test(NAME vm_restore COMMAND ${CMAKE_SOURCE_DIR}/tests/vm restore)
add_test(NAME vm_storage COMMAND ${CMAKE_SOURCE_DIR}/tests/vm storage)
add_test(NAME vm_confined COMMAND ${CMAKE_SOURCE_DIR}/tests/vm confined)
add_test(NAME vm_pod COMMAND ${CMAKE_SOURCE_DIR}/tests/vm pod)
add_test(NAME vm_main_uring COMMAND ${CMAKE_SOURCE_DIR}/tests/vm main -io=uring)
add_test(NAME vm_main_epoll COMMAND ${CMAKE_SOURCE_DIR}/tests/vm main -io=epoll)
set_tests_properties(vm_machine vm_restore vm_storage vm_confined vm_pod vm_main_uring vm_main_epoll PROPERTIES LABELS vm TIMEOUT 600 RUN_SERIAL ON)

add_test(NAME vm_move COMMAND ${CMAKE_SOURCE_DIR}/tests/vm move)
set_tests_properties(vm_move PROPERTIES LABELS "vm;migration" TIMEOUT 600 RUN_SERIAL ON SKIP_RETURN_CODE 77)

include(tests/bench/bench.cmake)
include(tests/chaos/chaos.cmake)

# A guest that is handed from host to host. It stays where it is, an agent on the Unix-socket bench; the rest is real.
file(GLOB move_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/move/*.cc)
add_executable(move_test ${move_sources} ${CMAKE_SOURCE_DIR}/tests/chaos/verdict.cc
  ${CMAKE_SOURCE_DIR}/tests/chaos/watched_stream.cc)
target_link_libraries(move_test PRIVATE gcs_test_main gcs_migration)
target_precompile_headers(move_test REUSE_FROM gcs_io)
foreach(engine uring epoll)
  add_test(NAME migrate_${engine} COMMAND ${bench} ${CMAKE_SOURCE_DIR}/tests/migrate $<TARGET_FILE:gcs>
    $<TARGET_FILE:gcs-host> crun ${engine})
  set_tests_properties(migrate_${engine} PROPERTIES LABELS migration TIMEOUT 300 SKIP_RETURN_CODE 77)
  add_test(NAME move_${engine} COMMAND ${bench} $<TARGET_FILE:move_test>)
  set_tests_properties(move_${engine} PROPERTIES LABELS migration TIMEOUT 600 SKIP_RETURN_CODE 77
    ENVIRONMENT "GCS=$<TARGET_FILE:gcs>;RUNTIME=crun;IO=${engine}")
endforeach()
