# SPDX-License-Identifier: MIT
# What must be installed; cmake/packages.txt lists the Debian packages, tests/support/install.sh installs them.

find_package(PkgConfig REQUIRED)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv>=1.44)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
add_library(ISAL::isal ALIAS PkgConfig::ISAL)

pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)

pkg_check_modules(INIH REQUIRED IMPORTED_TARGET inih)

pkg_check_modules(FUSE IMPORTED_TARGET fuse3>=3.10)
if(NOT FUSE_FOUND)
    message(STATUS "libfuse3 was not found (Debian package libfuse3-dev): everything but dfs-mount is built.")
endif()

pkg_check_modules(RAFT REQUIRED IMPORTED_TARGET raft)
if(NOT RAFT_VERSION VERSION_EQUAL "0.22.1")
    message(FATAL_ERROR
        "libraft 0.22.1 is required, ${RAFT_VERSION} was found. Earlier versions lack raft_step; later ones change "
        "who frees what in its updates, which no compiler would notice. Debian 13 has 0.22.1, and Debian 12 has it in "
        "bookworm-backports: sh tests/support/install.sh installs it.")
endif()

find_path(UTHASH_INCLUDE uthash.h)
if(NOT UTHASH_INCLUDE)
    message(FATAL_ERROR "uthash.h was not found (Debian package uthash-dev).")
endif()

if(DFS_TESTS)
    pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()
