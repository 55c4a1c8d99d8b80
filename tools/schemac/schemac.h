/* schemac - turns the schemas of protocol/schema into C: the passes, in order. */
#pragma once

#include <stdio.h>

#include "model.h"

/* Adds what one file holds. Any mistake ends the program with its place. */
void parse_file(struct schema *schema, const char *path);
/* Names, versions, tags, defaults: all rules that need more than one line to see; fills in reach.
 */
void check_schema(struct schema *schema);

void emit_header(const struct schema *schema, FILE *out);
void emit_tables(const struct schema *schema, FILE *out);
