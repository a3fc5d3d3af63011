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

include(tests/host/host.cmake OPTIONAL)
