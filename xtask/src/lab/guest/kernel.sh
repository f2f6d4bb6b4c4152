# kernel.sh: builds the guest's kernel from Debian's kernel source. Runs inside the builder's root.
# $FILES is the folder with kernel.config; the kernel is left there as bzImage.
set -eu
mkdir -p /build
cd /build
tar -xf /usr/src/linux-source-6.1.tar.xz
cd linux-source-6.1
make -s tinyconfig
./scripts/kconfig/merge_config.sh -m .config "$FILES/kernel.config" >/dev/null
make -s olddefconfig
# An option whose dependencies are missing is dropped without a word.
grep '^CONFIG' "$FILES/kernel.config" | while read -r option; do
    grep -qxF "$option" .config || {
        echo "kernel.sh: the kernel's configuration did not take $option" >&2
        exit 1
    }
done
make -s -j"$(nproc)" bzImage
cp arch/x86/boot/bzImage "$FILES/bzImage"
