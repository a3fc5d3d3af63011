# A live migration as hosts do it: the session of a shim, the shim, and the VMs that it moves.
file(GLOB migration_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/migration/*.cc)
add_library(gcs_migration STATIC ${migration_sources})
target_link_libraries(gcs_migration PUBLIC gcs_host_lib gcs_ttrpc)
target_precompile_headers(gcs_migration REUSE_FROM gcs_io)

gcs_link_tests(migration gcs_migration)
gcs_link_tests(migration gcs_host_fakes)

# Real QEMUs, without vsock.
file(GLOB migration_qemu_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/migration/qemu/*.cc)
add_executable(migration_qemu ${migration_qemu_sources})
target_link_libraries(migration_qemu PRIVATE gcs_migration gcs_test_main)
target_precompile_headers(migration_qemu REUSE_FROM gcs_io)
add_test(NAME migration_qemu COMMAND ${CMAKE_SOURCE_DIR}/tests/migration/qemu/run $<TARGET_FILE:migration_qemu>)
set_tests_properties(migration_qemu PROPERTIES LABELS vm TIMEOUT 600 RUN_SERIAL ON SKIP_RETURN_CODE 77)
