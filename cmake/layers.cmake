# A layer is a static library of one folder. It exports only the headers named in PUBLIC, as symbolic links under
# build/include/<layer>/<layer>/, and sees only the exported headers of the layers it DEPENDS on: including anything
# else does not compile.
#
#   layer_library(storage PUBLIC log.h segment.h DEPENDS record base LINKS other_library)
#
# Sources are all *.c of the folder (or the SOURCES given).
function(layer_library name)
    cmake_parse_arguments(ARG "" "DIR" "SOURCES;PUBLIC;DEPENDS;LINKS" ${ARGN})
    if(NOT ARG_DIR)
        set(ARG_DIR ${CMAKE_CURRENT_SOURCE_DIR})
    endif()
    if(NOT ARG_SOURCES)
        file(GLOB ARG_SOURCES CONFIGURE_DEPENDS ${ARG_DIR}/*.c)
    endif()
    set(exported ${CMAKE_BINARY_DIR}/include/${name})
    file(REMOVE_RECURSE ${exported})
    file(MAKE_DIRECTORY ${exported}/${name})
    foreach(header ${ARG_PUBLIC})
        file(CREATE_LINK ${ARG_DIR}/${header} ${exported}/${name}/${header} SYMBOLIC)
    endforeach()
    if(ARG_SOURCES)
        add_library(${name} STATIC ${ARG_SOURCES})
        set_property(GLOBAL APPEND PROPERTY LAYER_ARCHIVES $<TARGET_FILE:${name}>)
        target_include_directories(${name} PUBLIC ${exported})
        target_link_libraries(${name} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_LINKS})
    else()
        add_library(${name} INTERFACE)
        target_include_directories(${name} INTERFACE ${exported})
        target_link_libraries(${name} INTERFACE ${ARG_DEPENDS} ${ARG_LINKS})
    endif()
endfunction()

# unit_test(NAME sources... DEPENDS layers...): a cmocka program, registered with ctest under its name.
function(unit_test name)
    cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
    add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
    target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} PkgConfig::CMOCKA)
    add_test(NAME ${name} COMMAND ${name})
endfunction()

# The layers together: no two may define the same symbol. And the check finds one, if given.
function(layer_tests)
    get_property(archives GLOBAL PROPERTY LAYER_ARCHIVES)
    set(check sh ${PROJECT_SOURCE_DIR}/packaging/check-unique-symbols.sh)
    add_test(NAME layers__symbols__unique COMMAND ${check} ${archives})
    add_test(NAME layers__same_archive_twice__found
        COMMAND ${check} $<TARGET_FILE:base> $<TARGET_FILE:base>)
    set_tests_properties(layers__same_archive_twice__found PROPERTIES WILL_FAIL ON)
endfunction()
