# Writes "base/version.h". Run as a script before every build, so that the revision is true; the file
# is touched only when its contents change.
#
#   cmake -DSOURCE=... -DOUTPUT=... -DSTELE_VERSION=... -P version.cmake
function(git out)
    execute_process(COMMAND git -C ${SOURCE} ${ARGN} OUTPUT_VARIABLE text RESULT_VARIABLE status
        ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(status EQUAL 0)
        set(${out} "${text}" PARENT_SCOPE)
    else()
        set(${out} "unknown" PARENT_SCOPE)
    endif()
endfunction()

git(STELE_REVISION rev-parse --short=12 HEAD)
git(changes status --porcelain --untracked-files=no)
if(changes AND NOT changes STREQUAL "unknown")
    string(APPEND STELE_REVISION "+")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/version.h.in ${OUTPUT} @ONLY)
