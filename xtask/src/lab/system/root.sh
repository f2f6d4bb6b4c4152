# Functions that turn a folder into the root of private namespaces. Sourced, never run alone.
# Everything they mount lives in the caller's private mount namespace and ends with it, so that
# nothing is mounted on the machine itself, and no folder ever holds the machine's own /dev.

# furnish ROOT: /proc, /sys, a /dev of its own, /run and /tmp. ROOT has to be a mount point.
furnish() {
    mkdir -p "$1/proc" "$1/sys" "$1/dev" "$1/run" "$1/tmp"
    mount -t proc proc "$1/proc"
    mount -t sysfs -o ro sysfs "$1/sys"
    mount -t tmpfs -o mode=755 dev "$1/dev"
    mknod -m 666 "$1/dev/null" c 1 3
    mknod -m 666 "$1/dev/zero" c 1 5
    mknod -m 666 "$1/dev/full" c 1 7
    mknod -m 666 "$1/dev/random" c 1 8
    mknod -m 666 "$1/dev/urandom" c 1 9
    mknod -m 666 "$1/dev/tty" c 5 0
    ln -s /proc/self/fd "$1/dev/fd"
    ln -s /proc/self/fd/0 "$1/dev/stdin"
    ln -s /proc/self/fd/1 "$1/dev/stdout"
    ln -s /proc/self/fd/2 "$1/dev/stderr"
    mkdir "$1/dev/pts" "$1/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$1/dev/pts"
    ln -s pts/ptmx "$1/dev/ptmx"
    mount -t tmpfs -o mode=1777 shm "$1/dev/shm"
    mount -t tmpfs -o mode=755 run "$1/run"
    mkdir "$1/run/lock"
    mount -t tmpfs -o mode=1777 tmp "$1/tmp"
}

# become ROOT: makes ROOT the root and drops the machine's file systems from sight.
become() {
    cd "$1"
    mkdir -p .machine
    pivot_root . .machine
    cd /
    umount -l /.machine
    rmdir /.machine 2>/dev/null || :
}
