# The host's side of a live migration: the session and its service, the shim, the VM.
file(GLOB migration_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/migration/*.cc)
add_library(gcs_migration STATIC ${migration_sources})
target_link_libraries(gcs_migration PUBLIC gcs_host_lib gcs_proto)
target_precompile_headers(gcs_migration REUSE_FROM gcs_io)
