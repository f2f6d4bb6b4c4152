# The node's side of a session. It reads programs from standard input and runs them, one after the
# other, each in a subshell. Nothing is installed, nothing stays.
#
# From us:   a token line, then for each program a line "CODE-BYTES PAYLOAD-BYTES", code, payload.
# To us:     lines "TOKEN words…", each after a newline of its own, around the programs' output.
#
# Code comes as one compound command, so that a program cut short by a lost connection is a syntax
# error and not half a program. Payloads are complete before the code runs, for the same reason.
exec 3<&0 0</dev/null
umask 022
case :$PATH: in *:/usr/sbin:*) ;; *) PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH ;; esac
export PATH
printf 'pallet-ready\n'
IFS= read -r pallet_token <&3 || exit 0

pallet_mark() { printf '\n%s %s\n' "$pallet_token" "$*"; }
pallet_payload() { head -c "$1" <&4; }
pallet_end() { pallet_mark end "$1" "$2"; [ "$2" -eq 0 ] || exit 0; }
pallet_stage() {
  local file
  file=$(umask 077 && mktemp "${TMPDIR:-/tmp}/.pallet.XXXXXXXX") || return 1
  head -c "$1" <&3 >"$file" && exec 4<"$file"
  local rc=$?
  [ "$rc" -ne 0 ] || [ "$(wc -c <"$file")" -eq "$1" ] || rc=1
  rm -f "$file"
  return "$rc"
}

pallet_mark facts
for pallet_file in /etc/os-release /usr/lib/os-release; do
  if [ -r "$pallet_file" ]; then printf '%s\n' "$(<"$pallet_file")"; break; fi
done
printf 'PALLET_HOSTNAME=%s\nPALLET_ARCH=%s\n' "$HOSTNAME" "$HOSTTYPE"
if [ -r /proc/sys/kernel/osrelease ]; then printf 'PALLET_KERNEL=%s\n' "$(</proc/sys/kernel/osrelease)"; fi
for pallet_file in apt-get dnf yum zypper pacman apk brew; do
  if type -P "$pallet_file" >/dev/null; then printf 'PALLET_PACKAGER=%s\n' "$pallet_file"; break; fi
done
if [ -d /run/systemd/system ]; then printf 'PALLET_INIT=systemd\n'; fi
printf 'PALLET_CPUS=%s\n' "$(nproc 2>/dev/null)"
if [ -r /proc/meminfo ]; then
  read -r _ pallet_file _ </proc/meminfo
  printf 'PALLET_MEMORY_KIB=%s\n' "$pallet_file"
fi
pallet_mark done 0

while IFS=' ' read -r pallet_code pallet_bytes <&3; do
  pallet_code=$(head -c "$pallet_code" <&3; printf x)
  exec 4</dev/null
  if [ "$pallet_bytes" -gt 0 ] && ! pallet_stage "$pallet_bytes"; then pallet_mark done 1; exit 1; fi
  (exec 3<&-; eval "${pallet_code%x}")
  pallet_mark done "$?"
done
