# SPDX-License-Identifier: BSD-3-Clause
# A stand-in for Zephyr's own package: the few functions that a module and a sample of ours call, for
# a program of this machine. Kconfig is not evaluated; what prj.conf sets is set.
project(stand_in C)

add_executable(app)
target_include_directories(app PRIVATE ${CMAKE_CURRENT_LIST_DIR}/include)

file(STRINGS ${CMAKE_SOURCE_DIR}/prj.conf stand_in_lines REGEX "^CONFIG_")
foreach(line ${stand_in_lines})
    string(REGEX MATCH "^(CONFIG_[A-Z0-9_]+)=(.*)$" found ${line})
    set(${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
endforeach()

macro(zephyr_library_named name)
    set(stand_in_library ${name})
    add_library(${name} STATIC)
    target_link_libraries(app PRIVATE ${name} m)
endmacro()

function(zephyr_library_sources)
    target_sources(${stand_in_library} PRIVATE ${ARGN})
endfunction()

function(zephyr_library_compile_options)
    target_compile_options(${stand_in_library} PRIVATE ${ARGN})
endfunction()

function(zephyr_library_compile_definitions_ifdef name)
    if(${name})
        target_compile_definitions(${stand_in_library} PRIVATE ${ARGN})
    endif()
endfunction()

function(zephyr_include_directories)
    target_include_directories(${stand_in_library} PUBLIC ${ARGN})
endfunction()

foreach(module ${EXTRA_ZEPHYR_MODULES})
    add_subdirectory(${module}/zephyr ${CMAKE_BINARY_DIR}/modules)
endforeach()
