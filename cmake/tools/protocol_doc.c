/* SPDX-License-Identifier: MIT */
/* Rewrites the generated part of docs/PROTOCOL.md: protocol_doc FILE. */
#include <stdio.h>
#include <stdlib.h>

#include "wire/msg.h"

#define BEGIN "<!-- table: begin -->\n"
#define END "<!-- table: end -->"
#define PAGE_MAX (1u << 20)

static int read_page(const char *path, struct bytes *page)
{
    FILE *f = fopen(path, "r");
    uint8_t *to = bytes_reserve(page, PAGE_MAX - 1);

    if (f == NULL || to == NULL) {
        perror(path);
        if (f != NULL)
            fclose(f);
        return -1;
    }
    page->len = fread(to, 1, PAGE_MAX - 1, f);
    page->p[page->len] = 0;
    fclose(f);
    return 0;
}

static int write_page(const char *path, const char *text, const char *begin, const char *end, const struct bytes *table)
{
    FILE *f = fopen(path, "w");

    if (f == NULL) {
        perror(path);
        return -1;
    }
    fwrite(text, 1, (size_t)(begin - text), f);
    fwrite(table->p, 1, table->len, f);
    fputs(end, f);
    return fclose(f);
}

int main(int argc, char **argv)
{
    struct bytes page, table;
    const char *begin, *end;
    int rc = 1;

    bytes_init(&page, PAGE_MAX);
    bytes_init(&table, PAGE_MAX);
    if (argc != 2 || read_page(argv[1], &page) != 0 || wire_document(&table) != 0)
        goto out;
    begin = strstr((char *)page.p, BEGIN);
    end = strstr((char *)page.p, END);
    if (begin == NULL || end == NULL) {
        fprintf(stderr, "%s: the markers of the generated part are missing\n", argv[1]);
        goto out;
    }
    rc = write_page(argv[1], (char *)page.p, begin + strlen(BEGIN), end, &table) != 0;
out:
    bytes_close(&page);
    bytes_close(&table);
    return rc;
}
