/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include "cli.h"

#define ANY SIZE_MAX
#define AT(member) offsetof(struct options, member)
#define SWITCH(member, name, letter, help)                                                                             \
    {                                                                                                                  \
        name, letter, FLAG_SWITCH, AT(member), NULL, help, NULL                                                        \
    }
#define TEXT(member, name, letter, arg, help, preset)                                                                  \
    {                                                                                                                  \
        name, letter, FLAG_STRING, AT(member), arg, help, preset                                                       \
    }
#define NUMBER(member, name, letter, help, preset)                                                                     \
    {                                                                                                                  \
        name, letter, FLAG_U64, AT(member), "N", help, preset                                                          \
    }
#define END                                                                                                            \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

#define HUMAN SWITCH(human, "human", 'h', "sizes as 1.5 GiB")
#define ALL SWITCH(all, "all", 'a', "names that begin with a dot, too")
#define ZERO SWITCH(zero, "zero", '0', "end each name with a NUL byte instead of a newline")

#define RECURSIVE SWITCH(recursive, "recursive", 'r', "directories with all they hold")
#define SYNC                                                                                                           \
    SWITCH(changed, "changed", 'c', "leave out files whose target has the same size and modification time"),           \
        SWITCH(newer, "newer", 'u', "leave out files whose target is as new, or newer"),                               \
        SWITCH(skip_existing, "skip-existing", 0, "leave out files whose target exists")
#define CHECKSUM SWITCH(checksum, "checksum", 0, "leave out files whose target has the same content")
#define DRY_RUN(letter) SWITCH(dry_run, "dry-run", letter, "change nothing, print what would be done")
#define VERBOSE SWITCH(verbose, "verbose", 'v', "print each file, and a summary")
#define SAY DRY_RUN('n'), VERBOSE

static const struct verb_flag put_flags[] = {
    RECURSIVE, SYNC, CHECKSUM, SWITCH(prune, "delete", 0, "with -r: move what is not in SRC any more into the trash"),
    SAY,       END};
static const struct verb_flag get_flags[] = {RECURSIVE, SYNC, CHECKSUM, SAY, END};
static const struct verb_flag cp_flags[] = {
    RECURSIVE,
    SWITCH(preserve, "preserve", 'p', "keep modification times and owners of files"),
    SWITCH(archive, "archive", 'a', "as -rp; directories get new times, extended attributes are not copied"),
    SYNC,
    SWITCH(skip_existing, "no-clobber", 'n', "the same, as cp calls it"),
    SWITCH(force, "force", 'f', "nothing: what is there is replaced anyway"),
    DRY_RUN(0),
    VERBOSE,
    END};
static const struct verb_flag fsck_flags[] = {
    SWITCH(give_up, "give-up", 0, "files below PATH that wait for a storage server go on without it"), END};
static const struct verb_flag head_flags[] = {
    TEXT(bytes, "bytes", 'c', "N", "the first N bytes, or with -N all but the last N", NULL),
    TEXT(lines, "lines", 'n', "N", "the first N lines", "10"), END};
static const struct verb_flag tail_flags[] = {
    TEXT(bytes, "bytes", 'c', "N", "the last N bytes, or with +N those from byte N on", NULL),
    TEXT(lines, "lines", 'n', "N", "the last N lines, or with +N those from line N on", "10"),
    SWITCH(follow, "follow", 'f', "go on with what is added, until interrupted; -F is the same"), END};
static const struct verb_flag ls_flags[] = {
    SWITCH(long_form, "long", 'l', "with mode, owner, size and time"),
    ALL,
    HUMAN,
    SWITCH(recursive, "recursive", 'R', "directories below, too"),
    SWITCH(by_time, "by-time", 't', "newest first"),
    SWITCH(by_size, "by-size", 'S', "largest first"),
    SWITCH(reverse, "reverse", 'r', "the other way round"),
    SWITCH(single, "single", '1', "one name on a line, on a terminal too"),
    SWITCH(directory, "directory", 'd', "directories themselves, not what they hold"),
    SWITCH(classify, "classify", 'F', "mark directories /, links @, what can be run *, fifos |, sockets ="),
    SWITCH(inode, "inode", 'i', "with inode numbers"),
    ZERO,
    END};
static const struct verb_flag tree_flags[] = {NUMBER(depth, "level", 'L', "N levels at most", NULL),
                                              SWITCH(directory, "directories", 'd', "directories only"), ALL,
                                              SWITCH(human, "human", 'h', "with sizes, as 1.5 GiB"), END};
static const struct verb_flag find_flags[] = {
    TEXT(name, "name", 0, "PATTERN", "names that fit, such as '*.c'", NULL),
    TEXT(iname, "iname", 0, "PATTERN", "likewise, upper and lower case alike", NULL),
    TEXT(type, "type", 0, "f|d|l", "files, directories or symbolic links", NULL),
    TEXT(size, "size", 0, "[+|-]SIZE", "files larger (+) or smaller (-) than SIZE (such as 4096, 64k, 1g)", NULL),
    TEXT(mtime, "mtime", 0, "[+|-]TIME",
         "modified longer ago (+) or more recently (-); plain: days (such as 3, 90m, 12h)", NULL),
    SWITCH(empty, "empty", 0, "empty files and directories"),
    NUMBER(max_depth, "maxdepth", 0, "levels to go down; 0: PATH itself only", NULL),
    SWITCH(print, "print", 0, "print what fits, as it does anyway"),
    SWITCH(zero, "print0", '0', "end each name with a NUL byte instead of a newline"),
    END};
static const struct verb_flag stat_flags[] = {
    TEXT(format, "format", 'c', "FORMAT", "print FORMAT and a newline instead", NULL), END};
static const struct verb_flag checksum_flags[] = {
    TEXT(algorithm, "algorithm", 'a', "NAME", "crc32c or sha256", "sha256"),
    SWITCH(recursive, "recursive", 'r', "directories with all they hold"), END};
static const struct verb_flag mkdir_flags[] = {
    SWITCH(parents, "parents", 'p', "make missing parents; no error if it exists"),
    TEXT(mode, "mode", 'm', "MODE", "permissions, octal or as u=rwx,go=rx; of missing parents, too", "0755"),
    SWITCH(verbose, "verbose", 'v', "print each PATH that was made"), END};
static const struct verb_flag rm_flags[] = {SWITCH(recursive, "recursive", 'r', "directories with all they hold"),
                                            SWITCH(force, "force", 'f', "no error for what is not there"),
                                            SWITCH(now, "now", 0, "for good: not into the trash"),
                                            SWITCH(verbose, "verbose", 'v', "print each PATH that was removed"), END};
static const struct verb_flag mv_flags[] = {
    SWITCH(skip_existing, "no-clobber", 'n', "leave out what would replace something"),
    SWITCH(force, "force", 'f', "nothing: what is there is replaced anyway"),
    SWITCH(verbose, "verbose", 'v', "print each step"), END};
static const struct verb_flag trash_flags[] = {TEXT(to, "to", 0, "PATH", "where to", NULL), END};
static const struct verb_flag ln_flags[] = {SWITCH(symbolic, "symbolic", 's', "a symbolic link"), END};
static const struct verb_flag chmod_flags[] = {
    SWITCH(recursive, "recursive", 'R', "directories with all they hold"),
    SWITCH(no_follow, "no-dereference", 'P', "a symbolic link itself, not what it leads to"), END};
static const struct verb_flag touch_flags[] = {SWITCH(no_create, "no-create", 'c', "make no files"),
                                               TEXT(time, "time", 't', "TIME", "this time instead of now", NULL),
                                               TEXT(time, "date", 'd', "TIME", "the same", NULL), END};
static const struct verb_flag append_flags[] = {END};
static const struct verb_flag truncate_flags[] = {
    TEXT(size, "size", 's', "SIZE", "this long (such as 0, 4096, 64k, 1g)", NULL), END};
static const struct verb_flag lock_flags[] = {
    SWITCH(shared, "shared", 's', "a shared lock: others may have one, too"),
    SWITCH(exclusive, "exclusive", 'x', "an exclusive lock; it is one anyway"),
    SWITCH(no_wait, "nonblock", 'n', "fail at once if it is not free"),
    {"wait", 'w', FLAG_DURATION, AT(wait), "TIME", "fail if it is not free within TIME (such as 10, 500ms)", NULL},
    NUMBER(conflict, "conflict-exit-code", 'E', "exit status then", "1"),
    END};
static const struct verb_flag du_flags[] = {SWITCH(summary, "summary", 's', "nothing below PATH"),
                                            NUMBER(depth, "depth", 'd', "show N levels of directories", "1"),
                                            NUMBER(depth, "max-depth", 0, "the same", "1"),
                                            SWITCH(total, "total", 'c', "and the sum of all PATHs; not with -j"),
                                            HUMAN,
                                            END};
static const struct verb_flag goal_flags[] = {SWITCH(recursive, "recursive", 'r', "directories with all they hold"),
                                              END};
static const struct verb_flag df_flags[] = {SWITCH(human, "human", 'h', "sizes as 1.5 GiB; they always are"), END};

const struct verb verbs[] = {
    {"put", "SRC... DST", "store files", "L*D", 2, ANY, verb_put, put_flags,
     "Stores local files. An existing directory DST receives them under their names. Each file appears complete or "
     "not\n"
     "at all. \"-\" is standard input. Modes and modification times are kept, symbolic links are stored as such.\n"
     "\n"
     "  dfs put report.pdf /docs/            into a directory\n"
     "  dfs put -r photos /photos            a tree: /photos becomes the copy, or receives photos if it exists\n"
     "  dfs put -rc photos/. /photos         only what has changed: goes on where it was interrupted\n"
     "  dfs put -rc --delete photos/. /copy  what photos holds, and nothing else, into /copy\n"
     "  tar c . | dfs put - /backup.tar      from a pipe\n"},
    {"get", "SRC... DST", "fetch files", "R*L", 2, ANY, verb_get, get_flags,
     "Fetches files. An existing local directory DST receives them under their names. A file is written beside its\n"
     "target and renamed when it is complete and verified. \"-\" is standard output.\n"
     "\n"
     "  dfs get /docs/report.pdf .\n"
     "  dfs get -r /photos restored\n"
     "  dfs get -rc /photos/. restored       only what has changed: goes on where it was interrupted\n"
     "  dfs get /backup.tar - | tar x\n"},
    {"cp", "SRC... DST", "copy within the cluster", "R*D", 2, ANY, verb_cp, cp_flags,
     "Data passes through this machine. Each copy appears complete or not at all. An existing directory DST receives "
     "them.\n"
     "\n"
     "  dfs cp /a.txt /b.txt\n  dfs cp -r /photos /archive\n  dfs cp '/logs/*.gz' /old-logs\n"},
    {"cat", "PATH...", "print files", "R*", 1, ANY, verb_cat, NULL, "  dfs cat /etc/motd\n"},
    {"head", "PATH...", "print the beginnings of files", "R*", 1, ANY, verb_head, head_flags,
     "  dfs head /var/log/messages\n  dfs head -n 3 '/logs/*.log'\n  dfs head -c 1k /disk.img | xxd\n"},
    {"tail", "PATH...", "print the ends of files", "R*", 1, ANY, verb_tail, tail_flags,
     "-f asks every second whether the file has grown or was replaced.\n"
     "\n"
     "  dfs tail /var/log/messages\n  dfs tail -n +100 /a.csv        from line 100 on\n  dfs tail -f /logs/today\n"},
    {"ls", "[PATH...]", "list directories", "R*", 0, ANY, verb_ls, ls_flags,
     "Lists names in bytewise order; in columns on a terminal, otherwise one on a line. The size of a directory is how "
     "many names are "
     "in it; with -h it is left out.\n"
     "\n"
     "  dfs ls -lh /photos          sizes as people read them\n"
     "  dfs ls -ltr /logs           the latest last\n"
     "  dfs ls '/photos/*.jpg'      patterns in quotes are expanded in the cluster\n"
     "  dfs -j ls /photos | jq .\n"},
    {"tree", "[PATH...]", "show directories as a tree", "R*", 0, ANY, verb_tree, tree_flags,
     "  dfs tree -L 2 /\n  dfs tree -d -h /photos\n"},
    {"find", "[PATH...]", "find files by name, size, age or type", "R*", 0, ANY, verb_find, find_flags,
     "Prints what fits all that is asked for. One dash will do, as with the find of coreutils.\n"
     "\n"
     "  dfs find /photos -name '*.jpg' -size +1m\n"
     "  dfs find / -type f -mtime +365           not modified for a year\n"
     "  dfs find /logs -mtime -12h -print0 | xargs -0 -n 1 dfs head -n 1\n"},
    {"stat", "PATH...", "show what is known of a path", "R*", 1, ANY, verb_stat, stat_flags,
     "Symbolic links are not followed. FORMAT may hold %n name, %N name with the link's target, %s size, %F type,\n"
     "%a mode in octal, %A as ls -l, %u uid, %U user, %g gid, %G group, %h names, %i inode, %y and %Y time of\n"
     "modification and in seconds, %z and %Z of change, %r copies wanted, %k chunks, %v generation, %%, \\n, \\t.\n"
     "\n"
     "  dfs stat /photos/a.jpg\n  dfs stat -c '%s %n' '/photos/*'\n"},
    {"checksum", "PATH...", "checksums of files' contents", "R*", 1, ANY, verb_checksum, checksum_flags,
     "Reads the files and prints lines that sha256sum -c takes.\n"
     "\n"
     "  dfs checksum /backup.tar\n"
     "  dfs checksum -r /photos | (cd / && sha256sum -c --quiet)\n"},
    {"mkdir", "PATH...", "make directories", "D*", 1, ANY, verb_mkdir, mkdir_flags, "  dfs mkdir -p /a/b/c\n"},
    {"rmdir", "PATH...", "remove empty directories", "R*", 1, ANY, verb_rmdir, NULL, "  dfs rmdir /a/b/c\n"},
    {"rm", "PATH...", "remove files and trees", "R*", 1, ANY, verb_rm, rm_flags,
     "Into the trash, where they stay restorable for a day, or as long as \"dfs trash keep\" says; a whole tree in "
     "one\n"
     "step. A file that has other names loses this one and is not in the trash.\n"
     "\n"
     "  dfs rm /a.txt\n"
     "  dfs rm -r /photos      a whole tree\n"
     "  dfs rm --now /huge     for good; its space comes back 10 minutes later\n"
     "  dfs rm -f /maybe       no error if it is not there\n"},
    {"trash", "list|restore|empty|keep", "look into the trash", "w*", 1, ANY, verb_trash, trash_flags,
     "What dfs rm removed, until its time is over. It occupies space (dfs df shows how much).\n"
     "\n"
     "  dfs trash list                       numbers, and until when they are kept\n"
     "  dfs trash restore 17                 to where it was\n"
     "  dfs trash restore 17 --to /here.txt  to another place\n"
     "  dfs trash empty 17                   for good, as rm --now; without a number: all\n"
     "  dfs trash keep 7d                    keep for a week what is there and what comes; 0: no trash\n"
     "  dfs trash keep                       show how long it keeps\n"},
    {"mv", "SRC... DST", "rename or move", "R*D", 2, ANY, verb_mv, mv_flags,
     "One step for each SRC: nobody sees it twice or not at all. An existing directory DST receives them.\n"
     "\n"
     "  dfs mv /a.txt /b.txt\n  dfs mv /a /b /c /archive\n"},
    {"ln", "[-s] TARGET PATH", "make a link", "DD", 2, 2, verb_ln, ln_flags,
     "Gives the file TARGET one more name, or, with -s, makes a symbolic link. A file is there until its last name is\n"
     "removed. An existing directory PATH receives the link under TARGET's name.\n"
     "\n"
     "  dfs ln /a.txt /same-file.txt\n  dfs ln -s current/data /latest\n"},
    {"chmod", "MODE PATH...", "change permissions", "wR*", 2, ANY, verb_chmod, chmod_flags,
     "MODE is octal, or as u+x,go-w.\n\n  dfs chmod 0640 /a.txt\n  dfs chmod -R u+rwX,go-w /photos\n"},
    {"chown", "OWNER PATH...", "change owner and group", "wR*", 2, ANY, verb_chown, chmod_flags,
     "OWNER is USER, USER:GROUP or :GROUP, as names of this machine or as numbers.\n"
     "\n"
     "  dfs chown alice:staff /a.txt\n  dfs chown -R 1000 /photos\n"},
    {"touch", "PATH...", "set the modification time", "D*", 1, ANY, verb_touch, touch_flags,
     "Makes an empty file where there is nothing.\n\n  dfs touch /a.txt\n  dfs touch -t 2024-02-03T04:05:06Z /a.txt\n"},
    {"truncate", "PATH...", "make files shorter or longer", "w*", 1, ANY, verb_truncate, truncate_flags,
     "What is cut off is gone; what is added reads as zeros.\n\n  dfs truncate --size 0 /log.txt\n"},
    {"append", "[SRC] PATH", "add to the end of a file", "Lw", 1, 2, verb_append, append_flags,
     "Adds what SRC (standard input if it is - or not given) holds, line by line: lines of several who append at once "
     "are never "
     "mixed. The file is made if there is none. Each line, or as many as are there at a time, is acknowledged before "
     "the next is "
     "read.\n\n  make 2>&1 | dfs append /logs/build.log\n"},
    {"lock", "PATH COMMAND [ARG...]", "run a command under a lock", "Dw*", 2, ANY, verb_lock, lock_flags,
     "Waits for the lock on the file PATH, which is made if there is none, runs COMMAND on this machine, and gives the "
     "lock\n"
     "up. The exit status is the command's. As flock(1), across machines: it keeps out those who lock, not those who "
     "read\n"
     "or write. If the NameServers hear nothing of this process for 30 s, the lock is lost, and it says so.\n"
     "\n"
     "  dfs lock /jobs/nightly ./nightly.sh\n"
     "  dfs lock -n /jobs/nightly ./nightly.sh    not if it is running already, wherever that is\n"
     "  dfs lock -s -w 10 /db sh -c 'dfs get /db/a . && dfs get /db/b .'\n"},
    {"xattr", "list|get|set|remove PATH", "extended attributes", "wDww", 2, 4, verb_xattr, NULL,
     "Names begin with \"user.\". A value is at most 64 KiB, all of a path together 128 KiB.\n"
     "\n"
     "  dfs xattr set /a.txt user.from scanner\n  dfs xattr get /a.txt user.from\n"
     "  dfs xattr list /a.txt\n  dfs xattr remove /a.txt user.from\n"},
    {"du", "[PATH...]", "show how much directories hold", "R*", 0, ANY, verb_du, du_flags,
     "Bytes and files below each directory, at once however many they are: the NameServer keeps totals. Bytes are "
     "those of\n"
     "the files, one copy of each; a file with several names counts once, in the directory with the lowest inode "
     "number\n"
     "among those that name it. A file given as PATH shows its own size.\n"
     "\n"
     "  dfs du -sh /photos /docs\n  dfs du -d 2 /\n"},
    {"df", "", "show capacity and use", "", 0, 0, verb_df, df_flags, "  dfs df -h\n"},
    {"setgoal", "GOAL PATH...", "how many copies files have", "wR*", 2, ANY, verb_setgoal, goal_flags,
     "GOAL is 1 to 16, or \"default\": two copies, or one while there is only one StorageServer. What is made in a\n"
     "directory gets the directory's goal; what is in it already keeps its own, unless -r is given. Copies are made, "
     "or\n"
     "given up, in the background: dfs health shows how far that is.\n"
     "\n"
     "  dfs setgoal 3 /important.db\n"
     "  dfs setgoal -r 3 /important      a directory with all it holds, and what is made there later\n"
     "  dfs setgoal -r default /tmp\n"},
    {"getgoal", "PATH...", "show how many copies files have", "R*", 1, ANY, verb_getgoal, goal_flags,
     "Of a directory: what files made in it will have.\n\n  dfs getgoal -r /important\n"},
    {"nm", "list|remove|transfer|backup|restore|quarantine", "NameServers: show, take out, hand over, back up", "wLL",
     1, 3, verb_nm, NULL,
     "  dfs nm list               the NameServers, and who leads\n"
     "  dfs nm remove ID          takes one out for good: its id is never used again\n"
     "  dfs nm transfer [ID]      hands leadership to ID, or to whoever is furthest\n"
     "  dfs nm backup FILE        a consistent copy of all names and of where data is; - is standard output\n"
     "\n"
     "A further NameServer joins by itself: dfs-nm --data DIR --join HOST:PORT\n"
     "\n"
     "When the data of all NameServers is lost (not of some: then one of the others goes on):\n"
     "\n"
     "  dfs nm restore FILE DIR   a fresh data folder for dfs-nm out of a backup; talks to no server\n"
     "  dfs nm quarantine         what StorageServers hold that the restored names do not know: kept until …\n"
     "  dfs nm quarantine recover … files are made of it, in /recovered; with \"all\", of incomplete ones as well\n"
     "  dfs nm quarantine drop    … or it is given up\n"
     "\n"
     "Without a backup: dfs-nm --data DIR --init --rebuild CLUSTER, and then dfs nm quarantine recover\n"},
    {"server", "list|drain|undrain|remove [ID]", "StorageServers: show, empty, take out", "ww", 1, 2, verb_server, NULL,
     "  dfs server list           the StorageServers, and how full they are\n"
     "  dfs server drain ID       moves everything off it; it takes nothing new, and still serves\n"
     "  dfs server undrain ID     keeps it after all\n"
     "  dfs server remove ID      takes it out for good, once nothing is on it: its id is never used again\n"
     "\n"
     "A further StorageServer adds itself: dfs-ss --data DIR --nm HOST:PORT\n"},
    {"status", "", "show the cluster's servers", "", 0, 0, verb_status, NULL,
     "  dfs status\n  dfs -j status | jq .servers\n"},
    {"health", "", "is all well, and what to do if not", "", 0, 0, verb_health, NULL,
     "Green: every file has its copies. Yellow: something wants attention, and nothing is lost. Red: there are files "
     "that\n"
     "cannot be read now. The exit status is 0, 1 or 2, as monitors expect; 2 also if the NameServers do not answer.\n"
     "\n"
     "  dfs health\n  dfs -j health | jq .advice\n"},
    {"fsck", "[PATH...]", "list files with something wrong", "R*", 0, ANY, verb_fsck, fsck_flags,
     "Prints a line for each file of which chunks are missing, corrupt, waiting, or short of copies, and sums up. The "
     "exit\n"
     "status is 1 if any file cannot be read in full. Without PATH: everything, the trash included.\n"
     "\n"
     "A file waits when the power failed everywhere while it was written in place, and a storage server that was there "
     "is\n"
     "not back: only that one may have the last of what was written. If it never comes back, --give-up lets the files "
     "go on\n"
     "with the longest history that the others hold; what only the lost server had is lost, and its copies are "
     "dropped\n"
     "should it return after all.\n"
     "\n"
     "  dfs fsck\n  dfs -j fsck /photos\n  dfs fsck --give-up /db/journal\n"},
    {"rebalance", "", "even out how full StorageServers are", "", 0, 0, verb_rebalance, NULL,
     "That happens by itself where servers differ by more than 10 points of a hundred; this narrows it to 2, in the\n"
     "background.\n"
     "\n"
     "  dfs rebalance\n"},
};
const size_t n_verbs = ARRAY_LEN(verbs);

char verb_operand(const struct verb *v, size_t i, size_t n)
{
    size_t len = strlen(v->operands);
    const char *star = strchr(v->operands, '*');
    if (!star)
        return i < len ? v->operands[i] : 0;
    size_t before = (size_t)(star - v->operands) - 1, after = len - before - 2;
    if (i < before)
        return v->operands[i];
    if (i + after >= n && i >= before && after > 0)
        return star[1 + (i + after - n)];
    return star[-1];
}
