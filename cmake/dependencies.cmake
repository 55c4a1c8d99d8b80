# Third-party libraries, static where the distribution ships an archive, so that a copied binary runs on a stock system.
# Each becomes an imported target dep_<name>; layers name those, never a path.
option(STELE_STATIC_DEPS "Link third-party libraries statically where possible" ON)

function(dependency name header library archive)
    find_path(${name}_INCLUDE ${header})
    if(STELE_STATIC_DEPS)
        find_library(${name}_LIBRARY NAMES ${archive} ${library})
    else()
        find_library(${name}_LIBRARY NAMES ${library})
    endif()
    if(NOT ${name}_INCLUDE OR NOT ${name}_LIBRARY)
        message(FATAL_ERROR "${name} is missing: run 'make deps' (header ${header}, library ${library})")
    endif()
    add_library(dep_${name} INTERFACE)
    target_include_directories(dep_${name} SYSTEM INTERFACE ${${name}_INCLUDE})
    target_link_libraries(dep_${name} INTERFACE ${${name}_LIBRARY} ${ARGN})
endfunction()

# snappy is C++ inside. The C driver knows no -static-libstdc++, so the archive is named.
execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=libstdc++.a
    OUTPUT_VARIABLE stdcxx_archive OUTPUT_STRIP_TRAILING_WHITESPACE)
if(STELE_STATIC_DEPS AND IS_ABSOLUTE "${stdcxx_archive}")
    set(stdcxx ${stdcxx_archive} m -static-libgcc)
else()
    set(stdcxx stdc++)
endif()

dependency(uv uv.h uv libuv_a.a Threads::Threads ${CMAKE_DL_LIBS} rt)
dependency(zlib zlib.h z libz.a)
dependency(lz4 lz4frame.h lz4 liblz4.a)
dependency(zstd zstd.h zstd libzstd.a)
dependency(snappy snappy-c.h snappy libsnappy.a ${stdcxx})
dependency(jansson jansson.h jansson libjansson.a)
if(STELE_TESTS STREQUAL AUTO)
    pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)
    set(STELE_TESTS "${CMOCKA_FOUND}") # for this run; the cache keeps AUTO
elseif(STELE_TESTS)
    pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()
