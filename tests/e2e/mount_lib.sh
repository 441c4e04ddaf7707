# SPDX-License-Identifier: MIT
# For the tests of mounts. To be sourced behind lib.sh; skips the test where there is no FUSE.
#
#   mount_dfs DIR [OPTION...]        all of the cluster; $MOUNT_PID serves it
#   mount_dfs_of FOLDER DIR […]      a part of it
#   umount_dfs DIR
#   mount_pid_of DIR

[ "$(basename "$0" .sh)" != mount_lib ] || { echo "mount_lib.sh is for the tests beside it"; exit 77; }
[ -x "$DFS_BIN/dfs-mount" ] || { say "skipped: dfs-mount was not built (no libfuse3-dev)"; exit 77; }
[ -w /dev/fuse ] || { say "skipped: there is no /dev/fuse"; exit 77; }
command -v fusermount3 >/dev/null || [ "$(id -u)" = 0 ] || { say "skipped: no fusermount3"; exit 77; }

MOUNTS=""

mount_dfs() { mount_dfs_of "" "$@"; }

mount_dfs_of() {
    folder=$1 dir=$2
    shift 2
    mkdir -p "$dir"
    MOUNTS="$MOUNTS $dir"
    # In front, so that what it says is kept; it is there when the folder is another file system.
    "$DFS_BIN/dfs" mount "$DFS_NM$folder" "$dir" -f "$@" >>"$T/mount.log" 2>&1 &
    MOUNT_PID=$!
    echo $MOUNT_PID >"$T/$(basename "$dir").mounted"
    JOBS="$JOBS $MOUNT_PID"
    wait_for 15 "$dir to be mounted" mountpoint -q "$dir"
}

mount_pid_of() { cat "$T/$(basename "$1").mounted"; }
umount_dfs() { dfs umount "$1" || fail "umount $1"; }

cleanup_mounts() {
    for dir in $MOUNTS; do
        ! mountpoint -q "$dir" 2>/dev/null && ! grep -q " $dir fuse.dfs " /proc/mounts || dfs umount -l "$dir" 2>/dev/null || true
    done
    cleanup
}
trap cleanup_mounts EXIT
