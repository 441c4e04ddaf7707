# SPDX-License-Identifier: MIT
# find_package(dfs) gives dfs::SHARED and dfs::STATIC.
include(CMakeFindDependencyMacro)
find_dependency(PkgConfig)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv>=1.44)
pkg_check_modules(ISAL QUIET IMPORTED_TARGET libisal) # only the static library needs it
include(${CMAKE_CURRENT_LIST_DIR}/dfs-targets.cmake OPTIONAL)
