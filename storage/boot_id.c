/* One line of text. Files under /proc say that they are empty, hence the plain read. */
#include "boot_id.h"

#include <string.h>

struct boot_id boot_id_read(const struct os *os, const char *path)
{
    struct boot_id id = {{0}};
    int fd = os->open(os, path, OS_READ);
    if (fd < 0) return id;
    ssize_t n = os->pread(os, fd, id.text, sizeof id.text - 1, 0);
    os->close(os, fd);
    id.text[n > 0 ? n : 0] = 0;
    id.text[strcspn(id.text, "\r\n")] = 0;
    return id;
}

bool boot_id_eq(const struct boot_id *a, const struct boot_id *b)
{
    return a->text[0] && strcmp(a->text, b->text) == 0;
}

err_t boot_id_write(const struct os *os, const char *path, const struct boot_id *id)
{
    char line[sizeof id->text + 1];
    size_t len = strlen(id->text);
    memcpy(line, id->text, len);
    line[len] = '\n';
    return os_replace_file(os, path, line, len + 1);
}
