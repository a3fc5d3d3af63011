# The messages as C++. Only the companion links them: the agent's one wire is the bridge, which is JSON.
set(Protobuf_USE_STATIC_LIBS ON)
find_package(Protobuf REQUIRED)

file(GLOB_RECURSE protos CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/proto/*.proto)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/generated)
add_library(gcs_proto STATIC ${protos})
protobuf_generate(TARGET gcs_proto IMPORT_DIRS ${CMAKE_SOURCE_DIR} PROTOC_OUT_DIR ${CMAKE_BINARY_DIR}/generated)
# What protoc writes is not ours to judge.
target_compile_options(gcs_proto PRIVATE -w)
target_include_directories(gcs_proto SYSTEM PUBLIC ${CMAKE_BINARY_DIR}/generated)
target_link_libraries(gcs_proto PUBLIC protobuf::libprotobuf Threads::Threads)
