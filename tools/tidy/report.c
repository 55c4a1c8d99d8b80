/* One row a layer; tests are a layer here, generated sources are not seen. */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void report_init(struct report *r)
{
    *r = (struct report){.layers = calloc(layer_count(), sizeof *r->layers)};
    CHECK(r->layers);
}

void report_release(struct report *r)
{
    for (size_t i = 0; i < layer_count(); i++) free(r->layers[i].lengths.all);
    free(r->layers);
    r->layers = NULL;
}

static struct layer_numbers *numbers_of(struct report *r, const struct layer *layer)
{
    for (size_t i = 0; i < layer_count(); i++)
        if (layer_at(i) == layer) return &r->layers[i];
    return NULL;
}

static void add_length(struct layer_numbers *n, int length)
{
    if (n->functions == n->lengths.cap) {
        n->lengths.cap = n->lengths.cap ? n->lengths.cap * 2 : 256;
        n->lengths.all = realloc(n->lengths.all, n->lengths.cap * sizeof *n->lengths.all);
        CHECK(n->lengths.all);
    }
    n->lengths.all[n->functions++] = length;
}

static void note_largest(struct report *r, const struct source *s)
{
    size_t at = REPORT_LARGEST;
    while (at > 0 && r->largest[at - 1].lines < s->line_count) at--;
    if (at == REPORT_LARGEST) return;
    memmove(&r->largest[at + 1], &r->largest[at], (REPORT_LARGEST - 1 - at) * sizeof r->largest[0]);
    snprintf(r->largest[at].path, sizeof r->largest[at].path, "%s", s->path);
    r->largest[at].lines = s->line_count;
}

void report_add(struct report *r, const struct source *s, const struct functions *functions)
{
    struct layer_numbers *n = s->layer ? numbers_of(r, s->layer) : NULL;
    if (!n) return;
    n->files++;
    n->code_lines += s->code_lines;
    n->comment_lines += s->comment_lines;
    for (size_t i = 0; i < functions->count; i++) {
        add_length(n, functions->all[i].length);
        n->checks += (size_t)functions->all[i].checks;
    }
    if (strcmp(s->layer->name, "tests") != 0) note_largest(r, s);
}

static int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static void print_row(const char *name, struct layer_numbers *n)
{
    size_t lines = n->code_lines + n->comment_lines;
    if (n->functions) qsort(n->lengths.all, n->functions, sizeof(int), by_value);
    printf("%-12s %6zu %8zu %9.0f%% %10zu %7d %7d %14.2f\n", name, n->files, lines,
           lines ? 100.0 * (double)n->comment_lines / (double)lines : 0, n->functions,
           n->functions ? n->lengths.all[n->functions / 2] : 0,
           n->functions ? n->lengths.all[n->functions - 1] : 0,
           n->functions ? (double)n->checks / (double)n->functions : 0);
}

void report_print(struct report *r)
{
    printf("%-12s %6s %8s %10s %10s %7s %7s %14s\n", "layer", "files", "lines", "comments",
           "functions", "median", "longest", "checks/func");
    for (size_t i = 0; i < layer_count(); i++)
        if (r->layers[i].files) print_row(layer_at(i)->name, &r->layers[i]);
    printf("largest files:");
    for (size_t i = 0; i < REPORT_LARGEST && r->largest[i].lines; i++)
        printf(" %s (%zu)", r->largest[i].path, r->largest[i].lines);
    printf("\n");
}
