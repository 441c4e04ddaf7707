# SPDX-License-Identifier: MIT
# Tests: every tests/{unit,uv}/test_*.c is one executable, every tests/e2e/*.sh one script, every tests/fuzz/fuzz_*.c
# a replay of its corpus (and a fuzzer under clang with DFS_FUZZ).

# Cores use each other only downwards, so one pass over the libraries links; sanitizer reports fail the test.
set(test_environment ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1)

file(GLOB support_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/support/*.c)
if(support_sources)
    add_library(dfs_testsupport STATIC ${support_sources})
    target_include_directories(dfs_testsupport PUBLIC ${CMAKE_SOURCE_DIR}/tests)
    target_link_libraries(dfs_testsupport PUBLIC ${DFS_LIBRARIES} PkgConfig::CMOCKA)
endif()

function(dfs_test_executable name)
    add_executable(${name} ${ARGN})
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/lib)
    target_compile_definitions(${name} PRIVATE DFS_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    dfs_existing(uses dfs_testsupport ${DFS_LIBRARIES})
    target_link_libraries(${name} PRIVATE ${uses} PkgConfig::CMOCKA)
endfunction()

function(dfs_c_tests label timeout)
    if(DFS_COVERAGE) # counting takes time
        math(EXPR timeout "3 * ${timeout}")
    endif()
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${label}/test_*.c)
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        if(TARGET ${name})
            set(name ${name}_${label})
        endif()
        dfs_test_executable(${name} ${source})
        set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
        add_test(NAME ${name} COMMAND ${name})
        set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout} ENVIRONMENT "${test_environment}")
    endforeach()
endfunction()

dfs_c_tests(unit 300)
dfs_c_tests(uv 120)

file(GLOB sim_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/sim/*.c)
if(sim_sources AND TARGET dfs_group AND TARGET dfs_store AND TARGET dfs_client)
    dfs_test_executable(dfs-sim ${sim_sources})
    add_test(NAME sim COMMAND dfs-sim --count 200 --seconds 120 --undecided 4 --long)
    add_test(NAME sim_replay COMMAND dfs-sim --seed 100000 --count 10 --twice)
    add_test(NAME sim_sabotage COMMAND dfs-sim --every-sabotage)
    add_test(NAME sim_minimize COMMAND sh ${CMAKE_SOURCE_DIR}/tests/sim/minimize.sh $<TARGET_FILE:dfs-sim>)
    set_tests_properties(sim sim_replay sim_sabotage sim_minimize PROPERTIES LABELS sim TIMEOUT 36000
        ENVIRONMENT "${test_environment}")
endif()

# What end-to-end tests run beside the programs: a client that knows what must be, and calls that fail.
if(TARGET libdfs_static)
    add_executable(dfs-oracle ${CMAKE_SOURCE_DIR}/tests/e2e/oracle.c)
    target_link_libraries(dfs-oracle PRIVATE libdfs_static)
    add_executable(dfs-writer ${CMAKE_SOURCE_DIR}/tests/e2e/writer.c)
    target_link_libraries(dfs-writer PRIVATE libdfs_static)
    add_executable(dfs-locker ${CMAKE_SOURCE_DIR}/tests/e2e/locker.c)
    target_link_libraries(dfs-locker PRIVATE libdfs_static)
    add_executable(dfs-watcher ${CMAKE_SOURCE_DIR}/tests/e2e/watcher.c)
    target_link_libraries(dfs-watcher PRIVATE libdfs_static)
    add_executable(dfs-nth-client ${CMAKE_SOURCE_DIR}/tests/e2e/nth_client.c)
    target_link_libraries(dfs-nth-client PRIVATE libdfs_static)
    set_target_properties(dfs-oracle dfs-writer dfs-locker dfs-watcher dfs-nth-client PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endif()
add_executable(dfs-ranges ${CMAKE_SOURCE_DIR}/tests/e2e/ranges.c)
set_target_properties(dfs-ranges PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_library(dfs_fault SHARED ${CMAKE_SOURCE_DIR}/tests/support/preload/fault.c)
target_compile_options(dfs_fault PRIVATE -fno-sanitize=all) # it stands before the sanitizers' own
target_link_options(dfs_fault PRIVATE -fno-sanitize=all)
target_link_libraries(dfs_fault PRIVATE ${CMAKE_DL_LIBS})
set_target_properties(dfs_fault PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)

file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/e2e/*.sh)
list(FILTER scripts EXCLUDE REGEX "/([a-z]+_)?lib\\.sh$") # what the others source
foreach(script IN LISTS scripts)
    get_filename_component(name ${script} NAME_WE)
    add_test(NAME e2e_${name} COMMAND sh ${script})
    set_tests_properties(e2e_${name} PROPERTIES LABELS e2e TIMEOUT 600 SKIP_RETURN_CODE 77
        ENVIRONMENT "DFS_BIN=${CMAKE_BINARY_DIR}/bin;${test_environment}")
endforeach()
# These go on for as long as $DFS_TEST_LONG has them, and have deadlines of their own for each step.
foreach(name crash_all exactly_once nth_call powercut)
    set_tests_properties(e2e_${name} PROPERTIES TIMEOUT 36000)
endforeach()

file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
foreach(source IN LISTS fuzz_sources)
    get_filename_component(name ${source} NAME_WE)
    string(REPLACE fuzz_ "" target ${name})
    dfs_test_executable(${name}_replay ${source} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.c)
    set_target_properties(${name}_replay PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${name} COMMAND ${name}_replay ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${target})
    set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 120 ENVIRONMENT "${test_environment}")
    if(DFS_FUZZ)
        dfs_test_executable(${name} ${source})
        target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    endif()
endforeach()

# Benchmarks: built so that they stay true, run by hand (docs/TESTING.md).
file(GLOB bench_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/bench/*.c)
foreach(source IN LISTS bench_sources)
    get_filename_component(name ${source} NAME_WE)
    dfs_test_executable(${name} ${source})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endforeach()

if(TARGET libdfs_shared)
    add_test(NAME check_abi COMMAND sh ${CMAKE_SOURCE_DIR}/tests/support/check-abi.sh $<TARGET_FILE:libdfs_shared>)
    set_tests_properties(check_abi PROPERTIES LABELS style)
endif()
if(CMAKE_SIZEOF_VOID_P EQUAL 8)
    add_test(NAME check_layout COMMAND sh ${CMAKE_SOURCE_DIR}/tests/support/check-layout.sh ${CMAKE_C_COMPILER})
    set_tests_properties(check_layout PROPERTIES LABELS style)
endif()

if(EXISTS ${CMAKE_SOURCE_DIR}/tests/support/check-source.sh)
    add_test(NAME check_source COMMAND sh ${CMAKE_SOURCE_DIR}/tests/support/check-source.sh ${CMAKE_SOURCE_DIR})
    set_tests_properties(check_source PROPERTIES LABELS style)
endif()

add_test(NAME check_breaks COMMAND sh ${CMAKE_SOURCE_DIR}/tests/breaks.sh --fit)
set_tests_properties(check_breaks PROPERTIES LABELS style SKIP_RETURN_CODE 77)

# ninja protocol-doc: writes the tables of docs/PROTOCOL.md from lib/wire/table.h.
add_executable(protocol_doc EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/cmake/tools/protocol_doc.c)
target_link_libraries(protocol_doc PRIVATE dfs_wire)
set_target_properties(protocol_doc PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tools)
add_custom_target(protocol-doc COMMAND protocol_doc ${CMAKE_SOURCE_DIR}/docs/PROTOCOL.md)
