# enter.sh ROOT SHARED… -- COMMAND…: COMMAND with the folder ROOT as its root and the folders SHARED
# at the paths they have outside. Follows root.sh.
set -eu
root=$1
shift
mount --bind "$root" "$root"
# First, since a shared folder may be below one of the furnished ones, /tmp for example.
furnish "$root"
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --bind "$1" "$root$1"
    shift
done
shift
become "$root"
exec "$@"
