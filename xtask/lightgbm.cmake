# How LightGBM's C++ is compiled: at the optimisation level that cargo gives the package `lightgbm3-sys`, and without
# the command-line program. `.cargo/config.toml` names this file as the toolchain of CMake, because the build script of
# `lightgbm3-sys` has no other place for settings.
set(BUILD_CLI OFF CACHE BOOL "" FORCE)
set(CMAKE_CXX_FLAGS_RELEASE "-O$ENV{OPT_LEVEL} -DNDEBUG" CACHE STRING "")

# Development builds compile eleven files at a time: the tree learners, which instantiate the same templates, are one
# unit. Release builds keep the units that LightGBM is published with.
if(NOT "$ENV{OPT_LEVEL}" STREQUAL "3")
  set(CMAKE_UNITY_BUILD ON CACHE BOOL "")
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 11 CACHE STRING "")
endif()
