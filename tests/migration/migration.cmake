# A live migration as hosts do it: QEMU behind QMP, the session of a shim, and what both need.
file(GLOB migration_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/migration/*.cc)
add_library(gcs_migration STATIC ${migration_sources})
target_link_libraries(gcs_migration PUBLIC gcs_host_lib gcs_proto)
target_precompile_headers(gcs_migration REUSE_FROM gcs_io)

foreach(source ${unit_tests})
  get_filename_component(name ${source} NAME_WE)
  if(name MATCHES "^migration_")
    target_link_libraries(${name} PRIVATE gcs_migration)
  endif()
endforeach()
