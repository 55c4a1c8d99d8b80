/* The names of one simulated directory: as they are seen, as they are on disk, and the changes that
 * lead from the one to the other in the order in which they were made.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sim_inode.h"

static struct sim_name *find(const struct sim_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i].text, name) == 0) return &names->items[i];
    return NULL;
}

struct sim_inode *sim_names_find(const struct sim_names *names, const char *name)
{
    const struct sim_name *found = find(names, name);
    return found ? found->inode : NULL;
}

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    CHECK(copy);
    return copy;
}

static void names_add(struct sim_names *names, const char *name, struct sim_inode *inode)
{
    CHECK(!find(names, name));
    if (names->count == names->cap) {
        names->cap = names->cap ? names->cap * 2 : 8;
        names->items = realloc(names->items, names->cap * sizeof *names->items);
        CHECK(names->items);
    }
    names->items[names->count++] = (struct sim_name){copy_text(name), inode};
}

static struct sim_inode *names_remove(struct sim_names *names, const char *name)
{
    struct sim_name *at = find(names, name);
    if (!at) return NULL;
    struct sim_inode *inode = at->inode;
    free(at->text);
    *at = names->items[--names->count];
    return inode;
}

static void names_clear(struct sim_names *names)
{
    for (size_t i = 0; i < names->count; i++) free(names->items[i].text);
    names->count = 0;
}

/* ---- changes ---- */

static void note(struct sim_inode *dir, struct sim_change change)
{
    if (dir->change_count == dir->change_cap) {
        dir->change_cap = dir->change_cap ? dir->change_cap * 2 : 8;
        dir->changes = realloc(dir->changes, dir->change_cap * sizeof *dir->changes);
        CHECK(dir->changes);
    }
    change.name = copy_text(change.name);
    if (change.to) change.to = copy_text(change.to);
    dir->changes[dir->change_count++] = change;
}

void sim_dir_add(struct sim_inode *dir, const char *name, struct sim_inode *inode)
{
    names_add(&dir->names, name, inode);
    inode->links++;
    note(dir, (struct sim_change){SIM_ADD, (char *)name, NULL, inode});
}

void sim_dir_remove(struct sim_inode *dir, const char *name)
{
    note(dir, (struct sim_change){SIM_REMOVE, (char *)name, NULL, NULL});
    struct sim_inode *inode = names_remove(&dir->names, name);
    CHECK(inode);
    inode->links--;
}

void sim_dir_rename(struct sim_inode *dir, const char *from, const char *to)
{
    note(dir, (struct sim_change){SIM_RENAME, (char *)from, (char *)to, NULL});
    struct sim_inode *inode = names_remove(&dir->names, from);
    CHECK(inode);
    struct sim_inode *replaced = names_remove(&dir->names, to);
    if (replaced) replaced->links--;
    names_add(&dir->names, to, inode);
}

static void apply(struct sim_names *names, const struct sim_change *change)
{
    struct sim_inode *inode = change->inode;
    if (change->kind != SIM_ADD) inode = names_remove(names, change->name);
    CHECK(inode);
    if (change->kind == SIM_RENAME) names_remove(names, change->to);
    if (change->kind == SIM_ADD) names_add(names, change->name, inode);
    if (change->kind == SIM_RENAME) names_add(names, change->to, inode);
}

void sim_dir_commit(struct sim_inode *dir, size_t count)
{
    CHECK(count <= dir->change_count);
    if (count == 0) return;
    for (size_t i = 0; i < count; i++) {
        apply(&dir->disk_names, &dir->changes[i]);
        free(dir->changes[i].name);
        free(dir->changes[i].to);
    }
    dir->change_count -= count;
    memmove(dir->changes, dir->changes + count, dir->change_count * sizeof *dir->changes);
}

void sim_dir_lose_power(struct sim_inode *dir, struct rng *rng)
{
    size_t kept = dir->change_count;
    if (rng_chance(rng, 700)) kept = rng_below(rng, dir->change_count + 1);
    sim_dir_commit(dir, kept);
    for (size_t i = 0; i < dir->change_count; i++) {
        free(dir->changes[i].name);
        free(dir->changes[i].to);
    }
    dir->change_count = 0;
    names_clear(&dir->names);
    for (size_t i = 0; i < dir->disk_names.count; i++)
        names_add(&dir->names, dir->disk_names.items[i].text, dir->disk_names.items[i].inode);
}
