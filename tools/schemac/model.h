/* model - a parsed schema in memory: messages, their structs, their fields.
 *
 * Built by parse.c, completed by check.c, read by emit_header.c and emit_tables.c. schemac is a
 * short-lived host program: everything is allocated once and lives until exit, hung below the one
 * `struct schema` of main. A set of versions is a mask with bit v for version v.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { VERSION_LIMIT = 31, FLEXIBLE_NEVER = 127 };

enum kind {
    KIND_BOOL,
    KIND_INT8,
    KIND_INT16,
    KIND_UINT16,
    KIND_INT32,
    KIND_UINT32,
    KIND_INT64,
    KIND_FLOAT64,
    KIND_UUID,
    KIND_STRING,
    KIND_BYTES,
    KIND_RECORDS,
    KIND_STRUCT,
};

struct place {
    const char *file;
    int line;
};

struct record_type;

struct field {
    struct field *next;
    struct place place;
    char *name;
    enum kind kind; /* of the element, if is_array */
    bool is_array;
    bool is_ignorable;
    bool has_null; /* `null` was given */
    bool defaults_to_null;
    int tag; /* -1: none */
    uint32_t versions;
    uint32_t nullable;
    char *default_text; /* NULL: zero, false, empty */
    struct record_type *type;
};

/* A struct of the generated code. */
struct record_type {
    struct record_type *next; /* in the message, in order of definition */
    char *name;               /* as in the schema; NULL for the root */
    char *c_name;
    struct field *fields;
    struct field *last;
    uint32_t reach; /* versions in which it can occur */
    bool is_reached_by_tag;
    bool is_emitted;
};

struct message {
    struct message *next;
    struct place place;
    char *c_name;
    struct record_type *root;
    struct record_type *types; /* root first */
    struct record_type *types_last;
    int version_min;
    int version_max;
    int flexible_min; /* FLEXIBLE_NEVER: none */
    char *set;        /* records: the set it belongs to; NULL otherwise */
    int id_min;
    int id_max;
};

struct api {
    struct api *next; /* by rising key, after check */
    struct place place;
    int key;
    char *stem;
    struct message *request;
    struct message *response;
};

struct schema {
    struct message *messages; /* in order of appearance */
    struct message *messages_last;
    struct api *apis;
};

/* Prints file:line: error: message, and exits with 1. */
_Noreturn void fail_at(struct place place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Allocation that ends the program when there is no memory. */
void *must_calloc(unsigned long size);
char *must_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline uint32_t versions_from_to(int first, int last)
{
    return (uint32_t)((((uint64_t)1 << (last + 1)) - 1) & ~(((uint64_t)1 << first) - 1));
}
static inline bool field_is_embedded(const struct field *f)
{
    return f->kind == KIND_STRUCT && !f->is_array && !f->has_null;
}
