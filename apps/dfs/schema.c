/* SPDX-License-Identifier: MIT */
/* What -j prints, as a table: docs/REFERENCE.md is made from it, and a test holds the verbs to it. */
#include "help.h"

struct key {
    const char *name, *type, *meaning; /* a type that ends with '?': the key may be missing */
};

struct object {
    const char *name;  /* for the table of commands */
    const char *about; /* a sentence */
    const struct key *keys;
};

#define TOTALS                                                                                                         \
    {"bytes", "number", "of files, one copy of each"}, {"files", "number", ""}, {"directories", "number", ""},         \
    {                                                                                                                  \
        "symlinks", "number", ""                                                                                       \
    }
#define REMOVED                                                                                                        \
    {"trash_files", "number", "in the trash"}, {"trash_bytes", "number", ""},                                          \
        {"reclaiming", "number", "files and directories removed for good, whose space is not yet given back"},         \
    {                                                                                                                  \
        "reclaiming_bytes", "number", "theirs, and those of what was replaced"                                         \
    }
#define END                                                                                                            \
    {                                                                                                                  \
        NULL, NULL, NULL                                                                                               \
    }

static const struct key entry[] = {
    {"path", "name", "as the operand said it, and what lies below"},
    {"type", "text", "file, directory, symlink or other"},
    {"size", "number", "bytes; of a directory: its entries"},
    {"mode", "text", "four octal digits"},
    {"uid", "number", ""},
    {"gid", "number", ""},
    {"mtime", "text", "RFC 3339, UTC, nanoseconds"},
    {"goal", "number", "copies wanted"},
    {"chunks", "number", ""},
    {"nlink", "number", "names"},
    {"ino", "number", ""},
    {"generation", "number", "rises when the content is replaced"},
    {"target", "name?", "of a symbolic link: ls, stat"},
    {"xattrs", "array?", "names of extended attributes, if there are any: stat"},
    {"children", "array?", "entries of a directory: tree"},
    END,
};
static const struct key moved[] = {
    {"files", "number", "moved, links included; with --dry-run: that would be"},
    {"bytes", "number", ""},
    {"skipped", "number", "left out, because the target has them"},
    {"removed", "number", "by --delete"},
    {"failed", "number", ""},
    {"seconds", "number", ""},
    {"dry_run", "boolean", ""},
    END,
};
static const struct key sum[] = {
    {"path", "name", ""},
    {"size", "number", ""},
    {"algorithm", "text", "sha256 or crc32c"},
    {"checksum", "text", "hexadecimal"},
    END,
};
static const struct key usage[] = {{"path", "name", ""}, TOTALS, END};
static const struct key space[] = {
    {"capacity", "number", "bytes of all servers together, as for used and available"},
    {"used", "number", ""},
    {"available", "number", ""},
    {"files", "number", ""},
    {"directories", "number", ""},
    {"chunks", "number", ""},
    REMOVED,
    END,
};
static const struct key goal[] = {
    {"path", "name", ""},
    {"goal", "number", "copies wanted"},
    {"chosen", "boolean", "false: it is the cluster's default"},
    END,
};
static const struct key xattr_name[] = {{"name", "name", ""}, {"size", "number", "bytes of its value"}, END};
static const struct key xattr_value[] = {{"value", "name", ""}, END};
static const struct key trashed[] = {
    {"id", "number", "for trash restore and trash empty"},
    {"path", "name", "where it was"},
    {"type", "text", "as of an entry"},
    {"removed", "text", "a time, as mtime"},
    {"until", "text", "when it goes for good"},
    {"uid", "number", "who removed it"},
    TOTALS,
    END,
};
static const struct key kept[] = {{"keep_ms", "number", "0: there is no trash"}, END};
static const struct key cluster[] = {
    {"cluster", "text", "its id"},
    {"leader", "number", "0: none"},
    {"term", "number", ""},
    {"epoch", "number", ""},
    {"nameservers", "array", "of NameServers"},
    {"servers", "array", "of StorageServers, with disks"},
    {"files", "number", ""},
    {"directories", "number", ""},
    {"symlinks", "number", ""},
    {"chunks", "number", ""},
    {"bytes", "number", "of files, one copy of each"},
    {"goal", "number", "the default in force"},
    {"sessions", "number", "clients"},
    {"log_first", "number", ""},
    {"log_last", "number", ""},
    {"snapshot", "number", "the log index of the last one"},
    {"reads_per_second", "number", ""},
    {"mutations_per_second", "number", ""},
    {"quarantine", "boolean", "the names were restored: unknown chunks are kept"},
    {"quarantined", "number", "copies of such chunks"},
    REMOVED,
    END,
};
static const struct key nameserver[] = {
    {"id", "number", ""}, {"address", "text", ""}, {"state", "text", "leader, follower, joining or down"}, END};
static const struct key server[] = {
    {"id", "text", ""},
    {"uuid", "text", ""},
    {"address", "text", ""},
    {"state", "text", "up, down, draining, drained or removed"},
    {"domain", "text", "failure domain"},
    {"capacity", "number", "bytes"},
    {"used", "number", ""},
    {"chunks", "number", "copies"},
    {"disks", "array?",
     "status only: state (ok, failed), capacity, used, read_errors, write_errors, damaged, scrubbed, "
     "scrub_passes"},
    END,
};
static const struct key changed[] = {
    {"id", "text", ""},
    {"state", "text", "as of a StorageServer"},
    {"chunks", "number", "on it"},
    {"bytes", "number", ""},
    {"stuck", "number", "chunks that ask for more copies than the servers that stay can hold"},
    END,
};
static const struct key nm_changed[] = {{"id", "number", "0: nobody was named"}, END};
static const struct key moved_bytes[] = {{"bytes", "number", ""}, END};
static const struct key restored[] = {{"cluster", "text", "its id"},
                                      {"index", "number", "of the log"},
                                      {"files", "number", ""},
                                      {"directories", "number", ""},
                                      END};
static const struct key quarantine[] = {{"quarantine", "boolean", ""}, {"copies", "number", "that are kept"}, END};
static const struct key recovered[] = {
    {"servers", "number", "StorageServers asked"}, {"reported", "number", "that answered"},
    {"whole", "number", "files in /recovered"},    {"incomplete", "number", "files of which something is missing"},
    {"chunks_left", "number", "in quarantine"},    END,
};
static const struct key health[] = {
    {"status", "text", "green, yellow or red"},
    {"under_replicated", "number", "chunks, as all below"},
    {"missing", "number", "no copy on a server that is up"},
    {"corrupt", "number", "all copies that are up are damaged"},
    {"repairing", "number", ""},
    {"eta_seconds", "number", "0: nothing is to be done; -1: not known"},
    {"endangered", "number", "one copy left, of a goal of two or more"},
    {"over_replicated", "number", ""},
    {"misplaced", "number", "copies share a failure domain, though they need not"},
    {"draining", "number", "on a server that is to be emptied"},
    {"goal_too_high", "number", "asks for more copies than there are servers"},
    {"waiting", "number", "was being written when its servers stopped, and one of them is not back"},
    {"copied", "number", "copies made since this NameServer leads"},
    {"copied_bytes", "number", "theirs"},
    {"rebalancing", "boolean", ""},
    {"advice", "array", "sentences"},
    END,
};
static const struct key broken[] = {
    {"path", "name", ""},
    {"state", "text", "what is worst about it"},
    {"size", "number", ""},
    {"goal", "number", ""},
    {"chunks", "number", "as all below"},
    {"missing", "number", ""},
    {"corrupt", "number", ""},
    {"under_replicated", "number", ""},
    {"misplaced", "number", ""},
    {"over_replicated", "number", ""},
    {"waiting", "number", ""},
    END,
};

static const struct object objects[] = {
    {"entry", "A file, directory or symbolic link", entry},
    {"transfer", "What put, get and cp did", moved},
    {"checksum", "A file's checksum", sum},
    {"usage", "What lies below a directory", usage},
    {"space", "The cluster's capacity", space},
    {"goal", "How many copies a path is to have", goal},
    {"attribute", "An extended attribute", xattr_name},
    {"value", "Its value", xattr_value},
    {"trashed", "Something in the trash", trashed},
    {"keep", "How long the trash keeps things", kept},
    {"cluster", "The cluster", cluster},
    {"NameServer", "A NameServer", nameserver},
    {"StorageServer", "A StorageServer", server},
    {"change", "What came of draining, undraining or removing a StorageServer", changed},
    {"id", "The NameServer that was meant", nm_changed},
    {"bytes", "How much was moved, or is to be", moved_bytes},
    {"restored", "What was in a backup", restored},
    {"quarantine", "What a restore left", quarantine},
    {"recovered", "What was made of it", recovered},
    {"health", "How the cluster is", health},
    {"broken", "A file with something wrong", broken},
};

/* What commands print; many: an array of them. */
static const struct {
    const char *command, *object;
    bool many;
} commands[] = {
    {"ls", "entry", true},
    {"find", "entry", true},
    {"tree", "entry", true},
    {"stat", "entry", false},
    {"trash restore", "entry", false},
    {"put", "transfer", false},
    {"get", "transfer", false},
    {"cp", "transfer", false},
    {"checksum", "checksum", true},
    {"du", "usage", true},
    {"df", "space", false},
    {"getgoal", "goal", true},
    {"xattr list", "attribute", true},
    {"xattr get", "value", false},
    {"trash list", "trashed", true},
    {"trash keep", "keep", false},
    {"status", "cluster", false},
    {"nm list", "NameServer", true},
    {"server list", "StorageServer", true},
    {"server drain", "change", false},
    {"server undrain", "change", false},
    {"server remove", "change", false},
    {"nm remove", "id", false},
    {"nm transfer", "id", false},
    {"nm backup", "bytes", false},
    {"rebalance", "bytes", false},
    {"nm restore", "restored", false},
    {"nm quarantine", "quarantine", false},
    {"nm quarantine recover", "recovered", false},
    {"health", "health", false},
    {"fsck", "broken", true},
};

void help_json_reference(void)
{
    printf("\n### JSON\n\n"
           "What the verbs print with `-j`; those that are not named print nothing. Keys may be added in a later "
           "release, none goes "
           "or\nchanges its meaning. A *name* is text in UTF-8; where the bytes are not UTF-8, the key of the same "
           "name with "
           "`_base64`\nadded has them, and the name itself U+FFFD in their place. What cannot be shown is left out, "
           "said on "
           "standard error,\nand makes the exit status 1. `stat` of several paths prints an array. `cat`, `head`, "
           "`tail` print "
           "contents as ever.\n\n"
           "| command | prints |\n|---|---|\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        printf("| `dfs -j %s` | %s*%s* |\n", commands[i].command, commands[i].many ? "array of " : "",
               commands[i].object);
    for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
        printf("\n*%s*: %s.\n\n| key | type | |\n|---|---|---|\n", objects[i].name, objects[i].about);
        for (const struct key *k = objects[i].keys; k->name; k++)
            printf("| `%s` | %s | %s |\n", k->name, k->type, k->meaning);
    }
}

int help_json_keys(void)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const struct object *o = objects;
        while (strcmp(o->name, commands[i].object) != 0)
            o++;
        printf("%s|%s", commands[i].command, commands[i].many ? "array" : "object");
        for (const struct key *k = o->keys; k->name; k++)
            printf("|%s:%s", k->name, k->type);
        putchar('\n');
    }
    return 0;
}
