/* SPDX-License-Identifier: MIT */
/* Access control lists as Linux has them (acl(5)). They are kept as the extended attributes they look like to programs; who may
 * do what by them is checked by the kernel of the machine that mounts. What is done here keeps them and modes in step, by the
 * rules of Linux's fs/posix_acl.c:
 *
 *   - what an access ACL says of the owner, the group class (its mask, or without one the group) and others are the mode's
 *     bits; either changes with the other, and an ACL that says no more than that is not kept;
 *   - what is made in a directory with a default ACL gets that for its access ACL, but no more than it asks for by its mode,
 *     and a directory for its default ACL, too. Elsewhere the mode loses the umask. */
#include <stdio.h>
#include <sys/stat.h>

#include "meta/state.h"

#define ACCESS STR("system.posix_acl_access")
#define DEFAULT STR("system.posix_acl_default")
#define REFUSE(m, err, text_) (snprintf((m)->text, sizeof(m)->text, text_), (err))

/* The attribute's value: u32 version, then for each entry u16 tag, u16 permissions, u32 id. */
#define VERSION 2u
#define HEAD 4u
#define ENTRY 8u
#define ENTRIES_MAX 511u /* what Linux takes: a page */
#define NO_ID UINT32_MAX

enum tag { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 }; /* in the order of their entries */

struct acl {
    uint32_t n, tags; /* tags: all there are */
    struct acl_entry {
        uint16_t tag, perm;
        uint32_t id;
    } v[ENTRIES_MAX];
};

static bool is_named(uint32_t tag) { return tag == USER || tag == GROUP; }

static bool entry_fine(const struct acl_entry *e, uint32_t last)
{
    if (e->tag > OTHER || (e->tag & (e->tag - 1)) != 0 || e->perm > 7)
        return false;
    return is_named(e->tag) ? e->tag >= last && e->id != NO_ID : e->tag > last;
}

static bool parse(struct str value, struct acl *a)
{
    a->n = a->tags = 0;
    if (value.len < HEAD || (value.len - HEAD) % ENTRY != 0 || value.len > HEAD + ENTRIES_MAX * ENTRY ||
        get_u32(value.p) != VERSION)
        return false;
    for (uint32_t last = 0; a->n < (value.len - HEAD) / ENTRY;) {
        const char *p = value.p + HEAD + a->n * ENTRY;
        struct acl_entry *e = &a->v[a->n++];
        *e = (struct acl_entry){.tag = get_u16(p), .perm = get_u16(p + 2), .id = get_u32(p + 4)};
        if (!entry_fine(e, last))
            return false;
        e->id = is_named(e->tag) ? e->id : NO_ID;
        last = e->tag;
        a->tags |= e->tag;
    }
    const uint32_t all = USER_OBJ | GROUP_OBJ | OTHER;
    return (a->tags & all) == all && ((a->tags & (USER | GROUP)) == 0 || (a->tags & MASK) != 0);
}

static int store(struct meta *m, uint64_t ino, struct str name, const struct acl *a)
{
    uint8_t data[HEAD + ENTRIES_MAX * ENTRY];
    put_u32(data, VERSION);
    for (uint32_t i = 0; i < a->n; i++) {
        uint8_t *p = data + HEAD + i * ENTRY;
        put_u16(p, a->v[i].tag);
        put_u16(p + 2, a->v[i].perm);
        put_u32(p + 4, a->v[i].id);
    }
    return meta_xattr_put(m, ino, name, (struct str){(const char *)data, HEAD + a->n * ENTRY});
}

static bool stored(const struct meta *m, uint64_t ino, struct str name, struct acl *a)
{
    struct str value;
    return meta_xattr_find(m, ino, name, &value) && parse(value, a);
}

/* --- and the mode --- */

static bool says_more_than_a_mode(const struct acl *a) { return (a->tags & (USER | GROUP | MASK)) != 0; }

/* How far the mode's bits for this entry are shifted; -1: the mode does not say it. */
static int mode_shift(const struct acl *a, uint32_t tag)
{
    switch (tag) {
    case USER_OBJ: return 6;
    case GROUP_OBJ: return a->tags & MASK ? -1 : 3;
    case MASK: return 3;
    case OTHER: return 0;
    default: return -1;
    }
}

static uint16_t mode_of(const struct acl *a, uint16_t type_mode)
{
    uint32_t mode = type_mode & ~0777u;
    for (uint32_t i = 0; i < a->n; i++) {
        int shift = mode_shift(a, a->v[i].tag);
        if (shift >= 0)
            mode |= (uint32_t)a->v[i].perm << shift;
    }
    return (uint16_t)mode;
}

/* The ACL says of these entries what the mode does; less: nothing that it did not say before. */
static void follow_mode(struct acl *a, uint32_t mode, bool less)
{
    for (uint32_t i = 0; i < a->n; i++) {
        int shift = mode_shift(a, a->v[i].tag);
        if (shift >= 0)
            a->v[i].perm = (uint16_t)(mode >> shift & 7 & (less ? a->v[i].perm : 7u));
    }
}

/* --- what is done to them --- */

bool meta_is_acl(struct str name) { return str_eq(name, ACCESS) || str_eq(name, DEFAULT); }

bool meta_has_default_acl(const struct meta *m, uint64_t ino)
{
    struct str value;
    return meta_xattr_find(m, ino, DEFAULT, &value);
}

int meta_acl_set(struct meta *m, uint64_t ino, struct inode *in, struct str name, struct str value, bool drop_setgid)
{
    struct acl a;
    bool access = str_eq(name, ACCESS);
    if (value.len == 0 || (value.len == HEAD && get_u32(value.p) == VERSION)) {
        meta_xattr_drop(m, ino, name);
        return 0;
    }
    if (!access && !is_dir(in))
        return DFS_EACCES;
    if (value.len > HEAD + ENTRIES_MAX * ENTRY)
        return DFS_ETOOBIG;
    if (!parse(value, &a))
        return REFUSE(m, DFS_EINVAL, "this is no access control list as Linux has them");
    int rv = 0;
    if (access && !says_more_than_a_mode(&a))
        meta_xattr_drop(m, ino, name);
    else
        rv = store(m, ino, name, &a);
    if (rv == 0 && access)
        in->type_mode = mode_of(&a, (uint16_t)(in->type_mode & ~(drop_setgid ? S_ISGID : 0)));
    return rv;
}

/* The ACL is as long as it was. */
static void store_again(struct meta *m, uint64_t ino, struct str name, const struct acl *a)
{
    int rv = store(m, ino, name, a);
    assert(rv == 0);
    (void)rv;
}

void meta_acl_follow_mode(struct meta *m, uint64_t ino, const struct inode *in)
{
    struct acl a;
    if (!stored(m, ino, ACCESS, &a))
        return;
    follow_mode(&a, in->type_mode, false);
    store_again(m, ino, ACCESS, &a);
}

void meta_acl_inherit(struct meta *m, uint64_t dir, uint64_t ino, struct inode *in, uint32_t umask)
{
    struct acl a;
    if (!stored(m, dir, DEFAULT, &a)) {
        in->type_mode = (uint16_t)(in->type_mode & ~(umask & 0777));
        return;
    }
    if (is_dir(in))
        store_again(m, ino, DEFAULT, &a);
    follow_mode(&a, in->type_mode, true);
    in->type_mode = mode_of(&a, in->type_mode);
    if (says_more_than_a_mode(&a))
        store_again(m, ino, ACCESS, &a);
}

bool meta_acls_fine(const struct meta *m, uint64_t ino, const struct inode *in)
{
    struct acl a;
    struct str value;
    if (meta_xattr_find(m, ino, DEFAULT, &value) && (!is_dir(in) || !parse(value, &a)))
        return false;
    if (!meta_xattr_find(m, ino, ACCESS, &value))
        return true;
    return parse(value, &a) && says_more_than_a_mode(&a) && mode_of(&a, in->type_mode) == in->type_mode;
}
