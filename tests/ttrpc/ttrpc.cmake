# ttrpc over streams: the RPC protocol of the host shims, both sides of it.
file(GLOB ttrpc_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/ttrpc/*.cc)
add_library(gcs_ttrpc STATIC ${ttrpc_sources})
target_link_libraries(gcs_ttrpc PUBLIC gcs_io gcs_proto)
target_precompile_headers(gcs_ttrpc REUSE_FROM gcs_io)

gcs_link_tests(ttrpc gcs_ttrpc)
