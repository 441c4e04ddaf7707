/* SPDX-License-Identifier: MIT */
/* Files that a test of the client puts and gets: a source and a sink that look at every byte. */
#ifndef TESTS_UNIT_CLIENT_FILE_H
#define TESTS_UNIT_CLIENT_FILE_H

#include "client_fake.h"

struct file {
    uint8_t *data;
    uint64_t size, got; /* got: bytes delivered, in order */
    uint64_t furthest;  /* highest offset read */
    uint64_t largest_step_back;
    uint32_t restarts;
    int fail;
};

static inline int file_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    struct file *s = arg;
    if (s->fail)
        return s->fail;
    if (offset < s->furthest)
        s->largest_step_back = max_u64(s->largest_step_back, s->furthest - offset);
    *got = offset < s->size ? (size_t)min_u64(len, s->size - offset) : 0;
    if (*got)
        memcpy(buf, s->data + offset, *got);
    s->furthest = max_u64(s->furthest, offset + *got);
    return 0;
}

static inline int file_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct file *s = arg;
    if (s->fail)
        return s->fail;
    assert_int_equal(offset, s->got);
    assert_true(offset + len <= s->size);
    assert_memory_equal(p, s->data + offset, len);
    s->got += len;
    return 0;
}

static inline void file_restart(void *arg)
{
    struct file *s = arg;
    s->restarts++;
    s->got = 0;
}

static inline struct file file_of(uint64_t size, uint8_t salt)
{
    struct file s = {.data = test_malloc(size + 1), .size = size};
    for (uint64_t i = 0; i < size; i++)
        s.data[i] = (uint8_t)(i * 7 + (i >> 12) * 31 + salt);
    return s;
}

static inline struct client_request put_of(struct file *s)
{
    return (struct client_request){.kind = OP_PUT, .path = "/f", .source = {.read = file_read, .arg = s}};
}

static inline struct client_request get_of(struct file *s)
{
    return (struct client_request){.kind = OP_GET, .path = "/f", .length = UINT64_MAX,
                                   .sink = {file_write, file_restart, s}};
}

static inline void put_all(struct fake *f, struct file *s)
{
    fake_start(f, put_of(s));
    fake_run(f);
    assert_string_equal(f->error, "");
    assert_int_equal(f->status, 0);
    assert_int_equal(f->bytes, s->size);
}

static inline void get_all(struct fake *f, struct file *s)
{
    s->got = 0;
    fake_start(f, get_of(s));
    fake_run(f);
    assert_string_equal(f->error, "");
    assert_int_equal(f->status, 0);
    assert_int_equal(s->got, s->size);
    assert_int_equal(f->bytes, s->size);
}

#endif
