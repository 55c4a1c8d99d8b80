#!/bin/sh
# Feeds tidy small trees that break one rule each, and some that break none: a check that cannot fail
# is a defect, and so is one that fails on good code.
#
#   tools/tidy/test.sh PATH-OF-TIDY
set -eu
tidy=$1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0
cases=0

begin() { rm -rf "$tree"; mkdir -p "$tree"; }
put() { mkdir -p "$tree/$(dirname "$1")"; cat >"$tree/$1"; } # put PATH < text
code() { { echo '/* What this is. */'; cat; } | put "$1"; }  # the same below a head comment
lines() { yes "$2" | head -n "$1"; }                         # lines COUNT TEXT

wrong() { echo "FAILED: $*" >&2; echo "$output" >&2; failed=$((failed + 1)); }
run() {
    cases=$((cases + 1))
    status=0
    output=$("$tidy" --quiet "$tree" 2>&1) || status=$?
}
# finds RULE PLACE: exactly one finding, of that rule, at that place, and exit 1.
finds() {
    run
    [ $status -eq 1 ] || { wrong "$1: exit $status instead of 1"; return 0; }
    case "$output" in
    "$2"*"[$1]
tidy: "*" files, 1 findings") ;;
    *) wrong "$1: wanted one finding at $2" ;;
    esac
}
# clean WHAT: no finding, exit 0.
clean() {
    run
    [ $status -eq 0 ] || wrong "$1: exit $status instead of 0"
}

# ---- text ----
begin; { printf 'int a; /* '; lines 100 x | tr -d '\n'; echo ' */'; } | code base/a.c
finds columns base/a.c:2:
begin; { printf '/* see https://'; lines 100 x | tr -d '\n'; echo ' */'; } | code base/a.c
clean "a long address"
begin; { printf '/* '; lines 94 ä | tr -d '\n'; echo ' */'; } | code base/a.c
clean "columns are characters, not bytes"
begin; printf 'int a;\tint b;\n' | code base/a.c; finds tab base/a.c:2:
begin; printf 'int a; \n' | code base/a.c; finds trailing-blank base/a.c:2:
begin; printf '# Title \n' | put docs/a.md; finds trailing-blank docs/a.md:1:
begin; echo "/* TO""DO later */" | code base/a.c; finds mark base/a.c:2:
begin; echo "# FIX""ME" | put tests/a.sh; finds mark tests/a.sh:1:
begin; echo "char t[] = \"/tmp/a-XX""XXXX\";" | code base/a.c; clean "a template of mkstemp"
begin; echo "see /ho""me/me/notes" | put docs/a.md; finds machine-path docs/a.md:1:
begin; echo "see https://regist""ry.example/x" | put docs/a.md; finds package-host docs/a.md:1:
begin; echo "int a;" | put base/a.c; clean "a short file without a head comment"
begin; lines 100 "int a;" | put base/a.c; finds head-comment base/a.c:1:
begin; echo "#pragma once" | put base/a.h; finds head-comment base/a.h:1:
begin; echo "import os" | put tests/a.py; finds head-comment tests/a.py:1:
begin; printf '"""What this is."""\n' | put tests/a.py; clean "a docstring is a head comment"
begin; echo "int a;" | code base/a.h; finds pragma-once base/a.h:1:
begin; printf 'int a;\n\n' | code base/a.c; finds last-line base/a.c:3:

# ---- lengths ----
begin; { printf 'int f(void)\n{\n'; lines 68 '    g();'; echo '}'; } | code base/a.c
finds function-length base/a.c:2:
begin; { printf 'int f(void)\n{\n'; lines 67 '    g();'; echo '}'; } | code base/a.c
clean "a function of 70 lines"
begin; { printf 'int f(int a,\n      int b)\n{\n'; lines 67 '    g();'; echo '}'; } | code base/a.c
finds function-length base/a.c:2:
begin; { printf 'int f(void)\n{\n'; lines 40 '    g();'; printf '}\n\nint h(void)\n{\n'
         lines 40 '    g();'; echo '}'; } | code base/a.c
clean "two functions of 43 lines"
begin; lines 1000 'extern int a;' | code base/a.c; finds file-length base/a.c:0:
begin; { echo '#pragma once'; lines 299 'extern int a;'; } | code base/a.h
finds file-length base/a.h:0:

# ---- layers ----
begin; echo '#include "storage/log.h"' | code base/a.c; finds layer base/a.c:2:
begin; echo '#include "protocol/codec.h"' | code storage/a.c; finds layer storage/a.c:2:
begin; echo '#include "server/config.h"' | code broker/replication/a.c
finds layer broker/replication/a.c:2:
begin; echo '#include "txn/coordinator.h"' | code broker/group/a.c; finds layer broker/group/a.c:2:
begin; echo '#include "group/group.h"' | code broker/controller/a.c
finds layer broker/controller/a.c:2:
begin; echo '#include "storage/log.h"' | code client/a.c; finds layer client/a.c:2:
begin; echo '#include "replication/partition.h"' | code tools/a.c; finds layer tools/a.c:2:
begin; echo '#include "../storage/log.h"' | code base/a.c; finds layer base/a.c:2:
begin; echo '#include "../../storage/log.h"' | code broker/server/a.c
finds layer broker/server/a.c:2:
begin; echo '#include "../net/loop.h"' | code broker/server/a.c; finds layer broker/server/a.c:2:
begin; echo '#include "../broker.h"' | code broker/server/handlers/a.c; clean "up inside the layer"
begin; echo '#include "sub/../../loop.h"' | code broker/server/a.c
finds layer broker/server/a.c:2:
begin; echo '# include "storage/log.h"' | code base/a.c; finds layer base/a.c:2:
begin; echo '#include "record/batch.h"' | code storage/a.c
echo '#include "group/group.h"' | code broker/server/a.c
echo '#include "client/producer.h"' | code tools/a.c
clean "layers as they should be"
begin; printf '# x\nlayer_library(record\n    PUBLIC a.h\n    DEPENDS storage base)\n' |
    put protocol/record/CMakeLists.txt
finds layer protocol/record/CMakeLists.txt:4:
begin; printf '# x\nlayer_library(storage PUBLIC a.h DEPENDS record base LINKS server)\n' |
    put storage/CMakeLists.txt
clean "a declared layer as it should be"

# ---- third-party headers ----
begin; echo '#include <uv.h>' | code storage/a.c; finds third-party storage/a.c:2:
begin; echo '#include <uv.h>' | code broker/net/loop.c; clean "uv in net"
begin; echo '#include <lz4frame.h>' | code protocol/record/batch.c
finds third-party protocol/record/batch.c:2:
begin; echo '#include <zlib.h>' | code protocol/record/compress.c; clean "zlib in compress"
begin; echo '#include <jansson.h>' | code storage/a.c; clean "one user of jansson"
begin; echo '#include <jansson.h>' | code storage/a.c; echo '#include <jansson.h>' | code tools/a.c
clean "one user of jansson beside the tools"
begin; printf '#include <jansson.h>\n' | code storage/a.c
printf '#include <jansson.h>\n' | code storage/b.c
finds third-party storage/
begin; echo '#include <cmocka.h>' | code base/a.c; finds third-party base/a.c:2:

# ---- calls ----
for call in strcpy strcat sprintf gets atoi rand alloca strtok system; do
    begin; printf 'void f(void)\n{\n    %s(a);\n}\n' $call | code base/a.c
    finds banned-call base/a.c:4:
done
begin; printf 'int f(void) { return snprintf(a) + x.system(1) + x->rand(2); }\n' | code base/a.c
clean "other words that hold a banned one"
begin; printf '/* strcpy() is bad. */\nconst char *a = "strcpy(";\n' | code base/a.c
clean "a banned word in a comment or string"
begin; printf 'char a = %s; char *b = "\\""; int c = atoi(b);\n' "'\"'" | code base/a.c
finds banned-call base/a.c:2:
begin; printf 'int f(void) { return pwrite(1, a, 2, 3); }\n' | code storage/a.c
finds seam storage/a.c:2:
begin; printf 'int f(void) { return os->pwrite(os, 1, a, 2, 3); }\n' | code storage/a.c
clean "a call through the door"
begin; printf 'int f(void) { return time(0); }\n' | code broker/replication/a.c
finds seam broker/replication/a.c:2:
begin; printf '#pragma GCC diagnostic ign%s "-Wall"\n' ored | code base/a.c
finds silenced-warning base/a.c:2:

# ---- the allow-list ----
begin; printf 'void f(void) { strcpy(a, b); }\n' | code base/a.c
echo 'base/a.c strcpy because of the test' | put tools/tidy/allow.txt
clean "an allowed word"
begin; printf 'void f(void) { strcpy(a, b); }\n' | code base/a.c
echo 'base/a.c banned-call because of the test' | put tools/tidy/allow.txt
clean "an allowed rule"
begin; printf 'void f(void) { strcpy(a, b); }\n' | code base/a.c
echo 'base/b.c strcpy because of the test' | put tools/tidy/allow.txt
echo '/* What this is. */ void g(void) { strcpy(a, b); }' | put base/b.c
finds banned-call base/a.c:2:
begin; echo 'int a;' | code base/a.c
echo 'base/a.c strcpy because of the test' | put tools/tidy/allow.txt
finds allow-list tools/tidy/allow.txt:1:
begin; echo 'int a;' | code base/a.c
echo 'base/a.c strcpy' | put tools/tidy/allow.txt
finds allow-list tools/tidy/allow.txt:1:

begin; run; [ $status -eq 2 ] || wrong "an empty tree: exit $status instead of 2"

echo "tidy: $cases cases, $failed failed"
[ $failed -eq 0 ]
